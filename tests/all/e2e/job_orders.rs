//! Orders of jobs, and what is asked about them: taken once, all or none, and
//! refused with what would be right.

#![expect(clippy::unwrap_used, reason = "in a test the panic is the report")]

use serde_json::{Value, json};
use support::site::Site;

const LATER: &str = "2999-01-01T00:00:00Z";

fn later(more: Value) -> Value {
    let mut job =
        json!({"queue": "posts", "kind": "publish", "payload": {"n": 1}, "run_at": LATER});
    job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    job
}

async fn call_off(site: &Site, answer: &Value) {
    let id = answer["id"].as_str().unwrap();
    site.admin().post_json(&format!("/api/v1/jobs/{id}/cancel"), &json!({})).await.expect(202);
}

#[tokio::test]
async fn an_order_that_is_sent_twice_under_a_key_is_one_job_and_says_what_is_a_duplicate() {
    let site = Site::shared();
    let key = uuid::Uuid::now_v7().to_string();
    let keyed = site.admin().with("idempotency-key", &key);
    let first = keyed.post_json("/api/v1/jobs", &later(json!({}))).await.expect(202).json();
    let again = keyed.post_json("/api/v1/jobs", &later(json!({}))).await.expect(202).json();
    assert_eq!(first, again);
    assert_eq!(first["duplicate"], false);
    keyed.post_json("/api/v1/jobs", &later(json!({"cost": 2}))).await.expect(422);
    call_off(&site, &first).await;

    let unique = later(json!({"unique_key": key}));
    let holder = site.admin().post_json("/api/v1/jobs", &unique).await.expect(202).json();
    let other = site.admin().post_json("/api/v1/jobs", &unique).await.expect(202).json();
    assert_eq!(other, json!({"id": holder["id"], "duplicate": true}));
    call_off(&site, &holder).await;
}

#[tokio::test]
async fn many_orders_are_taken_all_or_none() {
    let site = Site::start(&[]);
    let bulk = |items: Vec<Value>| json!({"items": items});
    let count = async || {
        let list = "/api/v1/jobs?queue=posts&state=scheduled&limit=100";
        let page = site.admin().get(list).await.expect(200).json();
        page["items"].as_array().unwrap().len()
    };
    let path = "/api/v1/jobs/bulk";
    let bad = bulk(vec![later(json!({})), later(json!({"kind": "stray"}))]);
    let refused = site.admin().post_json(path, &bad).await.expect(422).text();
    assert!(refused.contains("items[1].kind"), "{refused}");
    let bad = bulk(vec![later(json!({})), later(json!({"cost": "much"}))]);
    let refused = site.admin().post_json(path, &bad).await.expect(400).text();
    assert!(refused.contains("items[1].cost"), "{refused}");
    let bad = bulk(vec![later(json!({})), json!({"kind": "publish"})]);
    let refused = site.admin().post_json(path, &bad).await.expect(400).text();
    assert!(refused.contains("items[1].queue"), "{refused}");
    let many = bulk((0..1001).map(|_| later(json!({}))).collect());
    site.admin().post_json(path, &many).await.expect(422);
    site.admin().post_json(path, &bulk(Vec::new())).await.expect(422);
    assert_eq!(count().await, 0);
    let good = bulk((0..3).map(|_| later(json!({"unique_key": "same"}))).collect());
    let keyed = site.admin().with("idempotency-key", "bulk");
    let taken = keyed.post_json(path, &good).await.expect(202).json();
    let duplicates: Vec<&Value> =
        taken["items"].as_array().unwrap().iter().map(|placed| &placed["duplicate"]).collect();
    assert_eq!(duplicates, [false, true, true]);
    assert_eq!(keyed.post_json(path, &good).await.expect(202).json(), taken);
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn a_slip_of_the_pen_in_a_parameter_a_queue_or_an_id_is_refused() {
    let site = Site::shared();
    for (path, status, part) in [
        ("/api/v1/jobs/retry?queu=posts", 400, "queue, state"),
        ("/api/v1/jobs/retry?queue=nowhere", 404, "posts"),
        ("/api/v1/jobs/retry?queue=posts&state=done", 400, "state takes dead"),
        ("/api/v1/jobs/cancel", 400, "?queue="),
        ("/api/v1/jobs/cancel?queue=nowhere", 404, "posts"),
        ("/api/v1/queues/nowhere/pause", 404, "posts"),
        ("/api/v1/queues/posts/pause?for=1h", 400, "takes none"),
        ("/api/v1/jobs/abc/cancel", 400, "abc"),
        ("/api/v1/jobs/abc/retry", 400, "abc"),
        ("/api/v1/jobs/abc/discard", 400, "abc"),
    ] {
        let answer = site.admin().post_json(path, &json!({})).await.expect(status);
        assert!(answer.text().contains(part), "{path}: {}", answer.text());
    }
    for (path, status, part) in [
        ("/api/v1/jobs?quue=posts", 400, "queue, kind, state, after, limit"),
        ("/api/v1/jobs?queue=nowhere", 404, "posts"),
        ("/api/v1/jobs?state=foo", 400, "scheduled"),
        ("/api/v1/jobs?limit=many", 400, "a whole number"),
        ("/api/v1/jobs/abc", 400, "abc"),
        ("/api/v1/queues?x=1", 400, "takes none"),
        ("/admin/jobs?state=foo", 400, "scheduled"),
        ("/admin/jobs?queue=nowhere", 404, "posts"),
        ("/admin/jobs?stat=dead", 400, "state"),
    ] {
        let answer = site.admin().get(path).await.expect(status);
        assert!(answer.text().contains(part), "{path}: {}", answer.text());
    }
    let body = json!({"queue": "posts"});
    let refused = site.admin().post_json("/api/v1/jobs/retry", &body).await.expect(400);
    assert!(refused.text().contains("?queue="), "{}", refused.text());
    let form = [("queue", "nowhere")];
    site.admin().post_form("/admin/jobs/retry", &form).await.expect(404);
}

#[tokio::test]
async fn a_job_is_ordered_and_called_off_by_the_command() {
    let site = Site::shared();
    let run = |words: &[&str], code: i32| {
        let output = site.exec(&[&["worker", "jobs"][..], words].concat());
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let key = uuid::Uuid::now_v7().to_string();
    let order = ["order", "posts", "publish", "--payload", "{\"n\": 1}", "--run-at", LATER];
    let order = [&order[..], &["--unique-key", &key, "--priority", "low", "--json"]].concat();
    let first: Value = serde_json::from_str(&run(&order, 0)).unwrap();
    let again: Value = serde_json::from_str(&run(&order, 0)).unwrap();
    assert_eq!(again, json!({"id": first["id"], "duplicate": true}));
    let id = first["id"].as_str().unwrap();
    assert!(run(&["cancel", id], 0).contains(id));
    assert!(run(&["cancel", id], 1).contains("over"));
    assert!(run(&["order", "nowhere", "publish"], 1).contains("posts"));
    assert!(run(&["order", "posts", "stray"], 1).contains("publish"));
    assert!(run(&["order", "posts", "publish", "--payload", "{"], 2).contains("--payload"));
    assert!(run(&["order", "posts", "publish", "--run-at", "soon"], 2).contains("a moment"));
    assert!(run(&["list", "--queue", "nowhere"], 1).contains("posts"));
    assert!(run(&["retry", "--all", "--queue", "nowhere"], 1).contains("posts"));
    assert!(run(&["retry", "abc"], 1).contains("abc"));
}

#[tokio::test]
async fn all_jobs_of_a_queue_are_called_off_at_once_and_are_no_failures() {
    let site = Site::start(&[]);
    let order = async || site.admin().post_json("/api/v1/jobs", &later(json!({}))).await;
    for _ in 0..3 {
        order().await.expect(202);
    }
    let page = site.admin().get("/admin/jobs/cancel?queue=posts").await.expect(200).text();
    assert!(page.contains("3 jobs of the queue posts"), "{page}");
    let none = "/api/v1/jobs/cancel?queue=posts&kind=stray";
    let cancelled = site.admin().post_json(none, &json!({})).await.expect(202).json();
    assert_eq!(cancelled, json!({"cancelled": 0}));
    let all = "/api/v1/jobs/cancel?queue=posts&kind=publish";
    let cancelled = site.admin().post_json(all, &json!({})).await.expect(202).json();
    assert_eq!(cancelled, json!({"cancelled": 3}));
    let sent = site.admin().post_json("/api/v1/jobs/retry?queue=posts", &json!({})).await;
    assert_eq!(sent.expect(202).json(), json!({"retried": 0, "refused": 0, "cancelled": 3}));
    let list = site.admin().get("/admin/jobs?queue=posts&state=dead").await.expect(200).text();
    assert!(list.contains("data-status=\"cancelled\""), "{list}");
    order().await.expect(202);
    let form = [("queue", "posts"), ("kind", "")];
    let done = site.admin().post_form("/admin/jobs/cancel", &form).await.expect(303);
    let notice = site.admin().get(done.header("location")).await.expect(200).text();
    assert!(notice.contains("Called off: 1."), "{notice}");
    let output = site.exec(&["worker", "jobs", "cancel", "--queue", "posts", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told, json!({"cancelled": 0}));
}
