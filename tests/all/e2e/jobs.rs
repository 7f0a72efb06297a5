//! Jobs through the API: taken, found at once, called off, sent back.

#![expect(clippy::unwrap_used, reason = "in a test the panic is the report")]

use std::time::Duration;

use serde_json::{Value, json};
use support::site::Site;
use support::wait::until;

const SOON: Duration = Duration::from_secs(20);

/// A job that no executor takes: it ends dead, with its reason.
fn stray(more: &Value) -> Value {
    let mut job = json!({"queue": "posts", "kind": "stray", "payload": {"n": 1}});
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
    assert!(dead["reason"].as_str().unwrap().contains("stray"), "{dead}");
    let replayed: Value = serde_json::from_str(&act(&site, &id, "retry", 202).await).unwrap();
    let now = replayed["id"].as_str().unwrap();
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
async fn a_job_with_a_mistake_is_refused_by_the_name_of_its_field() {
    let site = Site::shared();
    for (more, part) in [
        (json!({"queue": "nowhere"}), "nowhere"),
        (json!({"kind": "Not A Word"}), "kind"),
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
