//! What a user, or a visitor without a name, is told in all windows.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::site::Site;
use crate::support::sse::Events;

const SPAM: &str = "Buy http://a.example http://b.example http://c.example http://d.example now";

fn page_session() -> String {
    format!("page-{}", Uuid::new_v4().simple())
}

async fn watch(client: &Client, user: &str) -> Events {
    Events::open(client, &format!("topic=users.{user}"), None).await
}

async fn comment(client: &Client, slug: &str, body: &str) -> Value {
    let fields = json!({"author": "Ada", "body": body});
    let path = format!("/api/v1/posts/{slug}/comments");
    client.post_json(&path, &fields).await.expect(202).json()["id"].clone()
}

/// The next event of a window, without its envelope.
async fn told(window: &mut Events) -> Value {
    window.next().await.data["payload"].clone()
}

#[tokio::test]
async fn what_becomes_of_a_comment_is_told_in_the_windows_of_its_author_alone() {
    let site = Site::shared();
    let slug = site.post("own-windows").await;
    let (author, page) = (site.visitor(), page_session());
    let mut windows = [watch(&author, &page).await, watch(&author, &page).await];
    let (stranger, other) = (site.visitor(), page_session());
    let mut elsewhere = watch(&stranger, &other).await;
    let writes = author.with("x-page-session", &page);
    for (body, status) in [("A plain remark", "approved"), (SPAM, "pending")] {
        let id = comment(&writes, &slug, body).await;
        let payload = json!({"id": id, "post": slug, "status": status, "reason": null});
        let expect = json!({"user-id": page, "action": "comment", "payload": payload});
        for window in &mut windows {
            assert_eq!(told(window).await, expect);
        }
    }
    let id = comment(&stranger.with("x-page-session", &other), &slug, "Another's").await;
    let first = told(&mut elsewhere).await;
    assert_eq!((&first["user-id"], &first["payload"]["id"]), (&json!(other), &id));
}

#[tokio::test]
async fn the_admins_word_reaches_the_windows_of_a_held_comments_author_with_the_reason() {
    let site = Site::shared();
    let slug = site.post("own-refused").await;
    let (author, page) = (site.visitor(), page_session());
    let mut window = watch(&author, &page).await;
    let writes = author.with("x-page-session", &page);
    for (verb, status) in [("approve", "approved"), ("reject", "rejected")] {
        let id = comment(&writes, &slug, &format!("{SPAM} {verb}")).await;
        assert_eq!(told(&mut window).await["payload"]["status"], "pending");
        let path = format!("/api/v1/comments/{}/{verb}", id.as_str().unwrap());
        site.admin().post_json(&path, &json!({})).await.expect(200);
        let news = told(&mut window).await["payload"].clone();
        assert_eq!((&news["id"], &news["status"]), (&id, &json!(status)));
        assert_eq!(news["reason"].is_string(), status == "rejected", "{news}");
    }
}

#[tokio::test]
async fn the_admin_is_told_in_all_windows_what_was_saved_and_nobody_else_is() {
    let site = Site::shared();
    let slug = site.post("saved-elsewhere").await;
    let admin = site.admin();
    let page = admin.get("/admin").await.expect(200).text();
    let topics = page.split("data-topics=\"").nth(1).and_then(|rest| rest.split('"').next());
    let topic = topics.unwrap_or_default().split(' ').find(|topic| topic.starts_with("users."));
    let user = topic.expect("the page follows its user").trim_start_matches("users.").to_owned();
    let path = format!("/events?topic=users.{user}");
    site.visitor().get(&path).await.expect(401);
    let other = format!("/events?topic=users.{}", Uuid::now_v7());
    admin.get(&other).await.expect(403);
    let mut window = watch(&admin, &user).await;
    let patch = json!({"title": "Another title"});
    let post = format!("/api/v1/posts/{slug}");
    admin.try_json(Method::PATCH, &post, &patch).await.unwrap().expect(200);
    let news = loop {
        let news = told(&mut window).await;
        if news["payload"]["slug"] == slug.as_str() {
            break news;
        }
    };
    assert_eq!((&news["user-id"], &news["action"]), (&json!(user), &json!("post-saved")));
    assert_eq!(
        (&news["payload"]["title"], &news["payload"]["version"]),
        (&json!("Another title"), &json!(2))
    );
}

#[tokio::test]
async fn a_page_session_that_is_none_is_refused_by_name() {
    let site = Site::shared();
    let slug = site.post("no-session").await;
    let path = format!("/api/v1/posts/{slug}/comments");
    let fields = json!({"author": "Ada", "body": "Hello"});
    for none in ["page-1", "0190f8a0-0000-7000-8000-000000000001", &page_session()[..36]] {
        let answer = site.visitor().with("x-page-session", none).post_json(&path, &fields).await;
        let text = answer.expect(400).text();
        assert!(text.contains("X-Page-Session") && text.contains("32 random"), "{text}");
        site.visitor().get(&format!("/events?topic=users.{}", &none[..6])).await.expect(400);
    }
}
