//! The live hub: resumes, resets, limits.

use axum::http::Method;
use serde_json::json;

use crate::support::client::Client;
use crate::support::site::Site;
use crate::support::sse::Events;

async fn comment(site: &Site, slug: &str, body: &str) {
    let path = format!("/api/v1/posts/{slug}/comments");
    let fields = json!({"author": "Ada", "body": body});
    site.visitor().post_json(&path, &fields).await.expect(202);
}

async fn bodies(window: &mut Events, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        let event = window.next().await;
        bodies.push(event.data["payload"]["body"].as_str().unwrap_or(&event.topic).to_owned());
    }
    bodies
}

#[tokio::test]
async fn invariant_6_a_client_that_was_away_gets_all_it_missed_in_order() {
    let site = Site::shared();
    let slug = site.post("resume").await;
    let query = format!("topic=comments.{slug}");
    let mut window = Events::open(&site.visitor(), &query, None).await;
    comment(&site, &slug, "seen").await;
    assert_eq!(bodies(&mut window, 1).await, ["seen"]);
    let last = window.last_id.clone();
    drop(window);
    let mut other = Events::open(&site.visitor(), &query, None).await;
    for number in 0..10 {
        comment(&site, &slug, &format!("missed {number}")).await;
        other.next().await;
    }
    let missed: Vec<String> = (0..10).map(|number| format!("missed {number}")).collect();
    let mut back = Events::open(&site.visitor(), &query, Some(&last)).await;
    assert_eq!(bodies(&mut back, 10).await, missed);
    let since = format!("{query}&since={last}");
    let mut page = Events::open(&site.visitor(), &since, None).await;
    assert_eq!(bodies(&mut page, 10).await, missed);
}

#[tokio::test]
async fn invariant_6_what_the_memory_has_lost_comes_from_the_stream() {
    let site = Site::start(&[]);
    let slug = site.post("restart").await;
    let query = format!("topic=comments.{slug}");
    let mut window = Events::open(&site.visitor(), &query, None).await;
    comment(&site, &slug, "before").await;
    window.next().await;
    let last = window.last_id.clone();
    comment(&site, &slug, "after").await;
    window.next().await;
    site.kill_and_wait("web").await;
    let mut back = Events::open(&site.visitor(), &query, Some(&last)).await;
    assert_eq!(bodies(&mut back, 1).await, ["after"]);
}

#[tokio::test]
async fn invariant_6_a_cursor_of_another_life_of_the_stream_gets_a_reset() {
    let site = Site::shared();
    let slug = site.post("epoch").await;
    let query = format!("topic=comments.{slug}");
    let mut window = Events::open(&site.visitor(), &query, Some("abc123-7")).await;
    let event = window.next().await;
    assert_eq!(event.topic, "reset");
    comment(&site, &slug, "next").await;
    assert_eq!(bodies(&mut window, 1).await, ["next"]);
}

#[tokio::test]
async fn invariant_6_a_cursor_after_the_end_of_the_stream_gets_a_reset() {
    let site = Site::shared();
    let slug = site.post("ahead").await;
    let query = format!("topic=comments.{slug}");
    let place = Events::open(&site.visitor(), &query, None).await.last_id;
    let epoch = place.rsplit_once('-').expect("a cursor").0;
    for seq in [u64::from(u32::MAX), u64::MAX] {
        let since = format!("{query}&since={epoch}-{seq}");
        let mut window = Events::open(&site.visitor(), &since, None).await;
        assert_eq!(window.next().await.topic, "reset");
        comment(&site, &slug, &format!("after {seq}")).await;
        assert_eq!(bodies(&mut window, 1).await, [format!("after {seq}")]);
    }
}

#[tokio::test]
async fn a_page_carries_the_cursor_that_its_connection_resumes_from() {
    let site = Site::shared();
    let slug = site.post("cursor").await;
    let page = site.visitor().get(&format!("/posts/{slug}")).await.expect(200).text();
    let cursor = page.split("data-cursor=\"").nth(1).and_then(|rest| rest.split('"').next());
    let cursor = cursor.expect("the page has a cursor").to_owned();
    comment(&site, &slug, "between").await;
    let mut other =
        Events::open(&site.visitor(), &format!("topic=comments.{slug}&since={cursor}"), None).await;
    assert_eq!(bodies(&mut other, 1).await, ["between"]);
}

#[tokio::test]
async fn a_client_that_polls_is_answered_with_what_came_and_where_to_go_on() {
    let site = Site::shared();
    let slug = site.post("poll").await;
    let ask = async |since: &str, wait: u8| {
        let path = format!("/events?topic=comments.{slug}&since={since}&wait={wait}");
        let answer = site.visitor().get(&path).await.expect(200).text();
        let mut ids = answer.lines().filter_map(|line| line.strip_prefix("id: "));
        let last = ids.next_back().expect("a place").to_owned();
        (answer, last)
    };
    let start =
        Events::open(&site.visitor(), &format!("topic=comments.{slug}"), None).await.last_id;
    let (nothing, place) = ask(&start, 0).await;
    assert!(!nothing.contains("data:"), "{nothing}");
    let (something, ()) = tokio::join!(ask(&place, 20), comment(&site, &slug, "while one waits"));
    assert!(something.0.contains("while one waits"), "{}", something.0);
    comment(&site, &slug, "between two polls").await;
    let (later, _) = ask(&something.1, 20).await;
    assert!(later.contains("between two polls") && !later.contains("while one"), "{later}");
}

#[tokio::test]
async fn topics_are_authorised_and_unknown_ones_refused() {
    let site = Site::shared();
    let ask = |client: Client, query: &'static str| async move {
        let answer = client.try_send(Method::GET, &format!("/events?{query}"), None).await;
        answer.expect("the site answers").status().as_u16()
    };
    for query in ["", "topic=", "topic=nothing", "topic=comments.*", "topic=%3E", "topic=comments"]
    {
        assert_eq!(ask(site.visitor(), query).await, 400, "{query:?}");
    }
    for query in ["topic=jobs.comments", "topic=alerts.errors", "topic=backups.daily"] {
        assert_eq!(ask(site.visitor(), query).await, 401, "{query:?}");
        assert_eq!(ask(site.admin(), query).await, 200, "{query:?}");
    }
    assert_eq!(ask(site.visitor(), "topic=comments.a&since=nonsense").await, 400);
    for wait in ["soon", "-1", "31"] {
        let path = format!("/events?topic=comments.a&wait={wait}");
        let answer = site.visitor().get(&path).await.expect(400).text();
        assert!(answer.contains("0 to 30 seconds"), "{answer}");
    }
}
