//! Jobs through the API: taken, found at once, called off, sent back.

#![expect(clippy::unwrap_used, reason = "in a test the panic is the report")]

use std::time::Duration;

use serde_json::{Value, json};
use shared::bus::{Bus, Message};
use shared::envelope::Envelope;
use support::site::Site;
use support::wait::until;

const SOON: Duration = Duration::from_secs(20);

/// A job whose payload is not that of its kind: it ends dead, with its reason.
fn stray(more: &Value) -> Value {
    let mut job = json!({"queue": "posts", "kind": "publish", "payload": {"n": 1}});
    job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    job
}

async fn order(site: &Site, more: Value) -> String {
    let taken = site.admin().post_json("/api/v1/jobs", &stray(&more)).await.expect(202);
    taken.json()["id"].as_str().unwrap().to_owned()
}

async fn reach(site: &Site, id: &str, state: &str) -> Value {
    until(&format!("{id} is {state}"), SOON, || async {
        // From the moment it was taken it is found, wherever it is.
        let job = site.admin().get(&format!("/api/v1/jobs/{id}")).await.expect(200).json();
        (job["state"] == state).then_some(job)
    })
    .await
}

async fn act(site: &Site, id: &str, what: &str, status: u16) -> String {
    let done = site.admin().post_json(&format!("/api/v1/jobs/{id}/{what}"), &json!({})).await;
    done.expect(status).text()
}

#[tokio::test]
async fn invariant_4_a_job_that_nobody_can_run_is_dead_and_can_be_sent_back_or_forgotten() {
    let site = Site::shared();
    let id = order(&site, json!({})).await;
    let dead = reach(&site, &id, "dead").await;
    assert!(dead["reason"].as_str().unwrap().contains("publish"), "{dead}");
    let replayed: Value = serde_json::from_str(&act(&site, &id, "retry", 202).await).unwrap();
    let now = replayed["id"].as_str().unwrap();
    let gone = site.admin().get(&format!("/api/v1/jobs/{id}")).await.expect(200).json();
    assert_eq!((&gone["state"], &gone["retried_as"]), (&json!("retried"), &replayed["id"]));
    assert_eq!(gone["reason"], dead["reason"]);
    for what in ["retry", "discard", "cancel"] {
        assert!(act(&site, &id, what, 409).await.contains(now), "{what} does not name {now}");
    }
    let page = site.admin().get(&format!("/admin/jobs/{id}")).await.expect(303);
    assert_eq!(page.header("location"), format!("/admin/jobs/{now}"));
    reach(&site, now, "dead").await;
    act(&site, now, "discard", 204).await;
    act(&site, now, "discard", 404).await;
}

#[tokio::test]
async fn a_job_for_tomorrow_is_listed_and_called_off() {
    let site = Site::shared();
    let id = order(&site, json!({"run_at": "2999-01-01T00:00:00Z"})).await;
    reach(&site, &id, "scheduled").await;
    let list = site.admin().get("/api/v1/jobs?queue=posts&state=scheduled").await.expect(200);
    assert!(list.text().contains(&id), "{}", list.text());
    act(&site, &id, "cancel", 202).await;
    reach(&site, &id, "dead").await;
    act(&site, &id, "cancel", 409).await;
}

#[tokio::test]
async fn jobs_for_tomorrow_are_listed_a_page_at_a_time_and_shown_by_the_command() {
    let site = Site::shared();
    let mut ordered = Vec::new();
    for _ in 0..5 {
        ordered.push(order(&site, json!({"run_at": "2998-01-01T00:00:00Z"})).await);
    }
    let (mut listed, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/jobs?queue=posts&state=scheduled&limit=2{after}");
        let page = site.admin().get(&path).await.expect(200).json();
        let items = page["items"].as_array().unwrap();
        listed.extend(items.iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert!(ordered.iter().all(|id| listed.contains(id)), "{ordered:?} not in {listed:?}");
    let wrong = format!("/api/v1/jobs?state=dead{after}");
    site.admin().get(&wrong).await.expect(400);
    let shown = site.exec(&["worker", "jobs", "show", &ordered[0], "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&shown["id"], &shown["state"]), (&json!(ordered[0]), &json!("scheduled")));
    for id in ordered {
        act(&site, &id, "cancel", 202).await;
    }
}

#[tokio::test]
async fn a_queue_that_no_worker_takes_is_marked_and_its_jobs_are_found() {
    let site = Site::start(&[]);
    let nats = site.json()["nats_url"].as_str().unwrap().parse().unwrap();
    let bus = Bus::connect(&nats, "test").await.unwrap();
    until("a connection", SOON, || async { bus.ready().ok() }).await;
    let job = Envelope::new("lost", 1, uuid::Uuid::now_v7(), json!({}));
    let subject = "jobs.letters.lost".to_owned();
    let message = Message { msg_id: job.msg_id(), subject, body: job.to_json().into() };
    bus.publish(&message).await.unwrap();
    let queues = site.admin().get("/api/v1/queues").await.expect(200).json();
    let find = |name: &str| {
        let all = queues["items"].as_array().unwrap();
        all.iter().find(|queue| queue["name"] == name).unwrap().clone()
    };
    assert_eq!(
        (&find("letters")["listed"], &find("mail")["listed"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(find("letters")["depth"], 1);
    let command = site.exec(&["worker", "queues", "list"]).stdout;
    assert!(String::from_utf8(command).unwrap().contains("no worker takes it"));
    assert!(site.admin().get("/admin").await.expect(200).text().contains("no worker"));
    let id = job.id.to_string();
    assert_eq!(reach(&site, &id, "queued").await["queue"], "letters");
    let list = site.admin().get("/admin/jobs?queue=letters&state=queued").await.expect(200);
    assert!(list.text().contains(&id));
    site.admin().get("/api/v1/jobs?queue=nowhere").await.expect(404);
    let shown = site.exec(&["worker", "jobs", "show", &id, "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&shown.stdout).unwrap()["state"], "queued");
    until("the alert", SOON, || async {
        let alerts = site.admin().get("/admin/alerts").await.expect(200).text();
        alerts.contains("no worker takes the queue letters").then_some(())
    })
    .await;
}

#[tokio::test]
async fn while_nats_is_away_a_job_that_is_not_known_is_not_denied() {
    let site = Site::start(&[]);
    let known = order(&site, json!({"run_at": "2999-01-01T00:00:00Z"})).await;
    let unknown = uuid::Uuid::now_v7().to_string();
    site.admin().get(&format!("/api/v1/jobs/{unknown}")).await.expect(404);
    site.signal("nats", "-STOP");
    let answer = site.admin().get(&format!("/api/v1/jobs/{unknown}")).await;
    let cancelled = act(&site, &unknown, "cancel", 503).await;
    reach(&site, &known, "scheduled").await;
    site.signal("nats", "-CONT");
    assert_eq!(answer.expect(503).json()["status"], 503);
    assert!(cancelled.contains("NATS"), "{cancelled}");
}

#[tokio::test]
async fn all_dead_jobs_of_a_queue_are_sent_back_and_counted() {
    let site = Site::start(&[]);
    for _ in 0..3 {
        let id = order(&site, json!({})).await;
        reach(&site, &id, "dead").await;
    }
    let all = "/api/v1/jobs/retry?queue=posts&state=dead";
    let answer = site.admin().post_json(all, &json!({})).await.expect(202).json();
    assert_eq!(answer, json!({"retried": 3, "refused": 0, "cancelled": 0}));
    let notice = "/admin/jobs?queue=posts&state=dead&retried=3&refused=1";
    let page = site.admin().get(notice).await.expect(200).text();
    assert!(page.contains("Sent back: 3. 1 stay: they are no jobs"), "{page}");
}

#[tokio::test]
async fn the_page_of_what_is_no_job_says_why_and_offers_only_to_discard_it() {
    let site = Site::shared();
    let nats = site.json()["nats_url"].as_str().unwrap().parse().unwrap();
    let bus = Bus::connect(&nats, "test").await.unwrap();
    until("a connection", SOON, || async { bus.ready().ok() }).await;
    let subject = "jobs.posts.poisoned".to_owned();
    let message = Message { msg_id: "poison".to_owned(), subject, body: "<not a job>".into() };
    bus.publish(&message).await.unwrap();
    let dead = until("it is dead", SOON, || async {
        let path = "/api/v1/jobs?state=dead&queue=posts&kind=poisoned";
        let list = site.admin().get(path).await.expect(200).json();
        list["items"].as_array().unwrap().first().cloned()
    })
    .await;
    let path = format!("/admin/jobs/{}", dead["id"].as_str().unwrap());
    let page = site.admin().get(&path).await.expect(200).text();
    assert!(page.contains("Why it is no job") && page.contains("&#60;not a job&#62;"), "{page}");
    assert!(page.contains("/discard") && !page.contains("/retry"), "{page}");
    assert!(!page.contains("id=\"trace-title\"") && !page.contains("Not tried yet"), "{page}");
    let refused = site.admin().post_form(&format!("{path}/retry"), &[]).await.expect(303);
    let back = refused.header("location").to_owned();
    assert_eq!(back, format!("{path}?refused=retry"));
    let page = site.admin().get(&back).await.expect(200).text();
    assert!(page.contains("Not sent back: the message is no job"), "{page}");
    site.admin().post_form(&format!("{path}/discard"), &[]).await.expect(303);
    let gone = site.admin().post_form(&format!("{path}/discard"), &[]).await.expect(303);
    let page = site.admin().get(gone.header("location")).await.expect(200).text();
    assert!(page.contains("That job is no longer here"), "{page}");
}

#[tokio::test]
async fn a_key_is_held_by_one_job() {
    let site = Site::shared();
    let more = json!({"run_at": "2999-01-01T00:00:00Z", "unique_key": "one"});
    let first = order(&site, more.clone()).await;
    assert_eq!(order(&site, more.clone()).await, first);
    act(&site, &first, "cancel", 202).await;
    let second = order(&site, more).await;
    assert_ne!(second, first);
    act(&site, &second, "cancel", 202).await;
}

#[tokio::test]
async fn a_dead_job_is_not_sent_back_while_another_one_holds_its_key() {
    let site = Site::shared();
    let dead = order(&site, json!({"unique_key": "again"})).await;
    reach(&site, &dead, "dead").await;
    let more = json!({"run_at": "2999-01-01T00:00:00Z", "unique_key": "again"});
    let holder = order(&site, more).await;
    let refused = act(&site, &dead, "retry", 409).await;
    assert!(refused.contains(&holder), "{refused}");
    act(&site, &holder, "cancel", 202).await;
    act(&site, &dead, "retry", 202).await;
}

#[tokio::test]
async fn a_paused_queue_is_shown_as_such_and_hands_out_nothing_until_it_is_resumed() {
    let site = Site::start(&[]);
    let paused = async || {
        let all = site.admin().get("/api/v1/queues").await.expect(200).json();
        let items = all["items"].as_array().unwrap().clone();
        items.into_iter().find(|queue| queue["name"] == "posts").unwrap()["paused"] == true
    };
    site.admin().post_json("/api/v1/queues/posts/pause", &json!({})).await.expect(200);
    assert!(paused().await);
    site.kill_and_wait("nats").await;
    site.kill_and_wait("worker").await;
    let id = order(&site, json!({})).await;
    reach(&site, &id, "queued").await;
    assert!(paused().await);
    let resumed = site.exec(&["worker", "queues", "resume", "posts"]);
    assert!(resumed.status.success(), "{resumed:?}");
    reach(&site, &id, "dead").await;
    assert!(!paused().await);
}

#[tokio::test]
async fn a_job_with_a_mistake_is_refused_by_the_name_of_its_field() {
    let site = Site::shared();
    for (more, part) in [
        (json!({"queue": "nowhere"}), "nowhere"),
        (json!({"kind": "stray"}), "posts\\\" takes publish"),
        (json!({"queue": "results", "kind": "compute"}), "takes no orders"),
        (json!({"kind": "Not A Word"}), "kind"),
        (json!({"kind": "a".repeat(101)}), "1 to 100"),
        (json!({"priority": 5}), "high, normal, low; got the number 5"),
        (json!({"cost": 1.5}), "a whole number; got the number 1.5"),
        (json!({"run_at": "soon"}), "run_at"),
        (json!({"unique_key": ""}), "unique_key"),
        (json!({"when": 1}), "when"),
    ] {
        let refused = site.admin().post_json("/api/v1/jobs", &stray(&more)).await;
        assert!(refused.status.is_client_error(), "{more} was taken");
        assert!(refused.text().contains(part), "{part} is missing in {}", refused.text());
    }
    site.visitor().post_json("/api/v1/jobs", &stray(&json!({}))).await.expect(401);
}

#[tokio::test]
async fn a_mistake_in_the_file_of_queues_takes_no_page_of_theirs_away() {
    let dir = stack::TempDir::new().unwrap();
    let file = dir.path().join("queues.yml");
    let delivered = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/queues.yml");
    std::fs::copy(delivered, &file).unwrap();
    let site = Site::start(&[("QUEUES_FILE", file.to_str().unwrap())]);
    let listed = async || site.admin().get("/api/v1/queues").await.expect(200).json();
    let before = listed().await["items"].as_array().unwrap().len();
    std::fs::write(&file, "queues:\n  posts: {role: data\n").unwrap();
    assert_eq!(listed().await["items"].as_array().unwrap().len(), before);
    order(&site, json!({})).await;
    site.admin().get("/admin/jobs").await.expect(200);
    let alerts = async |part: &'static str| {
        until(part, SOON, || async {
            let page = site.admin().get("/admin/alerts").await.expect(200).text();
            page.contains(part).then_some(page)
        })
        .await
    };
    alerts("a bracket").await;
    std::fs::write(&file, "queues:\n  posts: {role: dat}\n").unwrap();
    let page = alerts("it takes one of data").await;
    assert!(!page.contains("a bracket"), "a file with a mistake is one alert: {page}");
    std::fs::copy(delivered, &file).unwrap();
    alerts("over since").await;
}
