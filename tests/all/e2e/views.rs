//! Page views: counted once a visitor, path and session.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::site::Site;
use crate::support::sse::Events;
use crate::support::wait::until;

async fn hit(client: &Client, slug: &str) {
    let beacon = json!({"path": format!("/posts/{slug}"), "width": 1280, "title": "T"});
    client.post_json("/hits", &beacon).await.expect(204);
}

/// Reads counters until they say `views` and `visitors`.
async fn counted(window: &mut Events, topic: &str, views: u64, visitors: u64) {
    let wanted = json!({"views": views, "visitors": visitors});
    let seen = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let event = window.next().await;
            if event.topic == topic && event.data["payload"] == wanted {
                return;
            }
        }
    });
    seen.await.unwrap_or_else(|_| panic!("{topic} never says {wanted}"));
}

#[tokio::test]
async fn a_view_counts_once_a_visitor_and_session_and_the_counter_moves_live() {
    let site = Site::shared();
    let slug = site.post("views").await;
    let topic = format!("metrics.views.{slug}");
    let mut window = Events::open(&site.visitor(), &format!("topic={topic}"), None).await;
    let (ada, bob) = (site.visitor(), site.visitor());
    hit(&ada, &slug).await;
    counted(&mut window, &topic, 1, 1).await;
    hit(&ada, &slug).await;
    hit(&ada, &slug).await;
    hit(&bob, &slug).await;
    counted(&mut window, &topic, 2, 2).await;
    let page = site.visitor().get(&format!("/posts/{slug}")).await.expect(200).text();
    let shown = page.split("data-views").nth(1).and_then(|rest| rest.split('>').nth(1));
    assert!(
        shown.is_some_and(|text| text.trim_start().starts_with('2')),
        "the page shows {shown:?}"
    );
}

#[tokio::test]
async fn a_wrong_beacon_is_refused() {
    let site = Site::shared();
    for beacon in [json!({}), json!({"path": "no-slash"}), json!({"path": 5}), json!([])] {
        let answer = site.visitor().post_json("/hits", &beacon).await;
        assert!(answer.status.is_client_error(), "{beacon} gave {}", answer.status);
    }
}

#[tokio::test]
async fn readers_now_follow_the_windows_that_open_and_close() {
    let site = Site::shared();
    let slug = site.post("readers").await;
    let mut window = Events::open(&site.visitor(), "topic=metrics.live", None).await;
    let readers = |event: &Value| event["payload"]["posts"][&slug].as_u64().unwrap_or(0);
    let reading = Events::open(&site.visitor(), &format!("topic=comments.{slug}"), None).await;
    while readers(&window.next().await.data) != 1 {}
    let made_up = format!("made-up-{slug}");
    let topics = format!("topic=comments.{made_up}&topic=comments.{slug}");
    let other = Events::open(&site.visitor(), &topics, None).await;
    let both = loop {
        let event = window.next().await.data;
        if readers(&event) == 2 {
            break event;
        }
    };
    assert!(both["payload"]["posts"].get(&made_up).is_none(), "{both}");
    drop((reading, other));
    while readers(&window.next().await.data) != 0 {}
}

#[tokio::test]
async fn totals_of_the_api_are_the_counters_of_the_pages() {
    let site = Site::start(&[]);
    let slug = site.post("totals").await;
    for _ in 0..7 {
        hit(&site.visitor(), &slug).await;
    }
    let admin = site.admin();
    until("seven views", Duration::from_secs(10), || async {
        let totals = admin.get("/api/v1/stats/totals").await.expect(200).json();
        (totals["views"] == 7 && totals["visitors"] == 7).then_some(())
    })
    .await;
}
