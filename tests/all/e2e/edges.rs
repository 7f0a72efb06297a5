//! Live edges: events of the site from a process that has NATS alone.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::edge::Edge;
use crate::support::site::Site;
use crate::support::sse::Events;
use crate::support::wait::until;

async fn comment(site: &Site, slug: &str, body: &str) {
    let path = format!("/api/v1/posts/{slug}/comments");
    let fields = json!({"author": "Ada", "body": body});
    site.admin().post_json(&path, &fields).await.expect(202);
}

async fn bodies(window: &mut Events, count: usize) -> Vec<Value> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        bodies.push(window.next().await.data["payload"]["body"].clone());
    }
    bodies
}

/// The answer to a request for events, read whole when it is a refusal.
async fn ask(client: &Client, topic: &str) -> (u16, Value) {
    let path = format!("/events?topic={topic}&wait=0");
    let Answer { status, body, .. } = client.get(&path).await;
    (status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn an_edge_gives_the_events_of_the_site_with_the_same_cursors() {
    let site = Site::shared();
    let edge = Edge::start(&site, &[]).await;
    let slug = site.post("edge").await;
    let query = format!("topic=comments.{slug}");
    let mut here = Events::open(&site.visitor(), &query, None).await;
    let mut there = Events::open(&edge.client(&site.visitor()), &query, None).await;
    for number in 0..5 {
        comment(&site, &slug, &format!("number {number}")).await;
        assert_eq!(here.next().await, there.next().await);
    }
}

#[tokio::test]
async fn invariant_6_a_client_that_moves_between_site_and_edge_misses_nothing() {
    let site = Site::shared();
    let edge = Edge::start(&site, &[]).await;
    let slug = site.post("moves").await;
    let query = format!("topic=comments.{slug}");
    let visitor = site.visitor();
    let mut last = Events::open(&visitor, &query, None).await.last_id;
    for round in 0..4 {
        let body = format!("while away {round}");
        comment(&site, &slug, &body).await;
        let client = if round % 2 == 0 { edge.client(&visitor) } else { visitor.clone() };
        let mut window = Events::open(&client, &query, Some(&last)).await;
        assert_eq!(bodies(&mut window, 1).await, [body]);
        last = window.last_id;
    }
}

#[tokio::test]
async fn invariant_6_an_edge_resumes_from_the_stream_and_tells_a_reset() {
    const COMMENTS: usize = 150;
    let site = Site::shared();
    let edge = Edge::start(&site, &[]).await;
    let slug = site.post("stream").await;
    let query = format!("topic=comments.{slug}");
    let client = edge.client(&site.visitor());
    let start = Events::open(&client, &query, None).await.last_id;
    let nats = async_nats::connect(site.json()["nats_url"].as_str().unwrap()).await.unwrap();
    let stream = async_nats::jetstream::new(nats);
    for number in 0..COMMENTS {
        let body = json!({"payload": {"body": number}}).to_string();
        let stored = stream.publish(format!("events.comments.{slug}"), body.into()).await;
        stored.unwrap().await.unwrap();
    }
    let mut back = Events::open(&client, &query, Some(&start)).await;
    let all: Vec<Value> = (0..COMMENTS).map(Value::from).collect();
    assert_eq!(bodies(&mut back, COMMENTS).await, all);
    assert!(edge.metric("live_resumes_total{from=\"stream\"}").await >= 1.0);
    let mut lost = Events::open(&client, &query, Some("abc123-7")).await;
    assert_eq!(lost.next().await.topic, "reset");
    comment(&site, &slug, "after the reset").await;
    assert_eq!(bodies(&mut lost, 1).await, ["after the reset"]);
}

#[tokio::test]
async fn an_edge_knows_the_admin_by_session_and_token_and_refuses_others() {
    let site = Site::shared();
    let edge = Edge::start(&site, &[]).await;
    let (visitor, admin) = (edge.client(&site.visitor()), edge.client(&site.admin()));
    assert_eq!(ask(&visitor, "jobs.comments").await.0, 401);
    assert_eq!(ask(&admin, "jobs.comments").await.0, 200);
    assert_eq!(ask(&visitor.bearer("nonsense"), "blogroll").await.0, 401);
    let session = edge.client(&site.session().await);
    assert_eq!(ask(&session, "jobs.comments").await.0, 200);
    assert_eq!(ask(&visitor.with("cookie", "session=old"), "blogroll").await.0, 200);
    let elsewhere = visitor.get("/posts/hello").await.expect(404);
    assert_eq!(elsewhere.header("content-type"), "application/problem+json");
    assert!(elsewhere.text().contains("it serves /events, and nothing else"));
}

#[tokio::test]
async fn who_cannot_be_known_just_now_is_told_to_come_again_and_visitors_are_served() {
    let site = Site::start(&[]);
    let edge = Edge::start(&site, &[]).await;
    let slug = site.post("alone").await;
    site.signal("web", "-STOP");
    let client = edge.client(&site.visitor());
    let window = Events::open(&client, &format!("topic=comments.{slug}"), None).await;
    let admin = edge.client(&site.admin());
    let answer = admin.get("/events?topic=jobs.comments").await.expect(200).text();
    site.signal("web", "-CONT");
    let pause = answer.trim().strip_prefix("retry: ").expect("a pause alone");
    assert!((1000..=2000).contains(&pause.parse::<u32>().unwrap()), "{answer}");
    drop(window);
    let known = || async { (ask(&admin, "jobs.comments").await.0 == 200).then_some(()) };
    until("admin at the edge", Duration::from_secs(10), known).await;
}

#[tokio::test]
async fn an_edge_that_stops_gives_each_client_a_pause_and_ends_well() {
    let site = Site::shared();
    let mut edge = Edge::start(&site, &[("LIVE_RETURN_SECONDS", "60")]).await;
    let client = edge.client(&site.visitor());
    let answer = client.try_send(Method::GET, "/events?topic=blogroll", None).await.unwrap();
    edge.shows("live_connections ", 1.0).await;
    let status = edge.stop().await;
    assert!(status.success(), "{status}");
    let body = axum::body::Body::new(answer.into_body());
    let text = axum::body::to_bytes(body, 4096).await.expect("a whole answer");
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(text.matches("retry: ").count(), 2, "{text}");
}

#[tokio::test]
async fn an_edge_measures_those_who_watch() {
    let site = Site::shared();
    let edge = Edge::start(&site, &[("LIVE_CONNECTIONS_PER_ADDRESS", "1")]).await;
    let slug = site.post("meters").await;
    let query = format!("topic=comments.{slug}");
    let visitor = edge.client(&site.visitor());
    let mut window = Events::open(&visitor, &query, None).await;
    let refused = visitor.get(&format!("/events?{query}")).await.expect(200).text();
    assert!(refused.starts_with("retry: "), "{refused}");
    comment(&site, &slug, "counted").await;
    window.next().await;
    edge.shows("live_connections ", 1.0).await;
    edge.shows("live_refused_total ", 1.0).await;
    edge.shows("live_events_sent_total ", 1.0).await;
    assert!(edge.metric("live_events_total ").await >= 1.0);
    assert!(edge.metric("live_topics ").await >= 1.0);
    let place = window.last_id.clone();
    drop(window);
    edge.shows("live_connections ", 0.0).await;
    drop(Events::open(&visitor, &query, Some(&place)).await);
    edge.shows("live_resumes_total{from=\"ring\"}", 1.0).await;
    edge.shows("live_connections ", 0.0).await;
    let mut lost = Events::open(&visitor, &query, Some("abc123-7")).await;
    assert_eq!(lost.next().await.topic, "reset");
    edge.shows("live_resumes_total{from=\"reset\"}", 1.0).await;
    edge.shows("live_slow_closed_total ", 0.0).await;
}
