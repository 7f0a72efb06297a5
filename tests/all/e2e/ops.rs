//! Operations: health, readiness, metrics, commands, restarts.

use std::time::Duration;

use axum::http::Method;

use crate::support::site::Site;
use crate::support::wait::until;

const BINARIES: [&str; 3] = ["web", "worker", "cron"];

#[tokio::test]
async fn every_binary_tells_health_readiness_and_metrics() {
    let site = Site::shared();
    for name in BINARIES {
        let ops = site.ops(name);
        ops.get("/healthz").await.expect(200);
        let ready = ops.get("/readyz").await.expect(200).json();
        assert_eq!(ready["ready"], true, "{name}: {ready}");
        let metrics = ops.get("/metrics").await.expect(200);
        assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
        assert!(metrics.text().ends_with("# EOF\n"), "{name}");
    }
}

#[tokio::test]
async fn any_process_killed_is_back_by_itself() {
    let site = Site::start(&[]);
    for name in ["web", "worker", "cron", "litestream", "nats", "minio", "offsite"] {
        site.kill_and_wait(name).await;
    }
    site.visitor().get("/").await.expect(200);
}

#[tokio::test]
async fn down_leaves_no_process_behind() {
    let site = Site::start(&[]);
    let pids: Vec<u64> = site.json()["pids"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(serde_json::Value::as_u64)
        .collect();
    assert_eq!(pids.len(), 7);
    assert!(site.command(&["down"], &[]).status.success());
    for pid in pids {
        let gone =
            || async { (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(()) };
        until(&format!("end of process {pid}"), Duration::from_secs(5), gone).await;
    }
}

#[tokio::test]
async fn processes_whose_supervisor_was_killed_are_told_used_and_stopped() {
    let site = Site::start(&[]);
    let state = std::fs::read(site.dir().join("state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    let supervisor = u32::try_from(state["supervisor"].as_u64().unwrap()).unwrap();
    stack::procfs::signal(supervisor, stack::Signal::KILL);
    let told = until("the end of the supervisor", Duration::from_secs(5), || async {
        let status = site.command(&["status"], &[]);
        (status.status.code() == Some(1)).then_some(status)
    })
    .await;
    let rows = String::from_utf8_lossy(&told.stdout).into_owned();
    let advice = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(rows.contains("killed") && rows.contains("worker"), "{rows}");
    assert!(advice.contains("./site up") && advice.contains("./site down"), "{advice}");
    assert_eq!(site.exec(&["cron", "status"]).status.code(), Some(0));
    let pids = site.json()["pids"].clone();
    assert!(site.command(&["down"], &[]).status.success());
    for pid in pids.as_object().unwrap().values().filter_map(serde_json::Value::as_u64) {
        assert!(!stack::procfs::is_alive(u32::try_from(pid).unwrap()), "{pid} is still there");
    }
}

#[tokio::test]
async fn a_graceful_stop_ends_open_streams_and_loses_nothing() {
    let site = Site::start(&[]);
    let slug = site.post("stop").await;
    let mut window =
        crate::support::sse::Events::open(&site.visitor(), &format!("topic=comments.{slug}"), None)
            .await;
    let before = site.pid("web");
    site.signal("web", "-TERM");
    let ended = async { while window.next_or_end().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("the stream ends");
    site.replaced("web", before).await;
    site.ready().await;
    site.visitor().get(&format!("/posts/{slug}")).await.expect(200);
}

#[tokio::test]
async fn commands_say_how_they_are_used_and_what_was_wrong() {
    let site = Site::shared();
    for words in [
        &["web", "--help"][..],
        &["web", "serve", "--help"],
        &["web", "admin", "token", "--help"],
        &["worker", "run", "--help"],
        &["worker", "jobs", "list", "--help"],
        &["worker", "queues", "list", "--help"],
        &["cron", "run", "--help"],
        &["cron", "backup", "run", "--help"],
        &["cron", "restore", "--help"],
        &["cron", "drill", "--help"],
        &["cron", "status", "--help"],
    ] {
        let output = site.exec(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        let help = String::from_utf8_lossy(&output.stdout).to_lowercase();
        assert!(help.contains("example"), "no example in the help of {words:?}: {help}");
    }
    for words in [
        &["web", "serv"][..],
        &["worker", "run", "--role", "none"],
        &["cron", "backup", "run", "hourly"],
    ] {
        let output = site.exec(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        assert!(!output.stderr.is_empty());
    }
    let queues = site.exec(&["worker", "queues", "list", "--json"]);
    let queues: serde_json::Value = serde_json::from_slice(&queues.stdout).expect("JSON");
    assert!(queues.to_string().contains("comments"));
}

#[tokio::test]
async fn a_wrong_variable_is_named_with_all_others_before_anything_opens() {
    let site = Site::shared();
    for binary in BINARIES {
        let verb = if binary == "web" { "serve" } else { "run" };
        let path = support::site::binary(binary);
        let output = std::process::Command::new(path)
            .arg(verb)
            .env_clear()
            .env("NATS_URL", "nonsense")
            .env("SITE_OPS_ADDR", "here")
            .output()
            .expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{binary}: {told}");
        let bus = if binary == "cron" { None } else { Some("NATS_URL") };
        for variable in ["SITE_OPS_ADDR", "SITE_DATA_DIR", "S3_ENDPOINT"].into_iter().chain(bus) {
            assert!(told.contains(variable), "{binary} does not name {variable}: {told}");
        }
    }
    drop(site);
}

#[tokio::test]
async fn a_used_port_is_named_with_what_to_do() {
    let site = Site::shared();
    let url = site.json()["url"].as_str().unwrap().to_owned();
    let port = url.rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    let other = stack::TempDir::new().expect("a directory");
    let output = support::site::site_command()
        .args(["up", "--detach", "--port", &port, "--dir"])
        .arg(other.path())
        .output()
        .expect("the site command runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&port) && told.contains("--port"), "{told}");
    site.visitor().try_ask(Method::GET, "/", None).await.expect("the first site still answers");
}
