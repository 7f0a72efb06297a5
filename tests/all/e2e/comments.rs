//! Comments: accepted, judged, told, moderated.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::site::Site;
use crate::support::sse::Events;
use crate::support::wait::until;

async fn comments(client: &Client, slug: &str) -> Vec<Value> {
    let list = client.get(&format!("/api/v1/posts/{slug}/comments")).await.expect(200).json();
    list["items"].as_array().expect("items").clone()
}

async fn comment(client: &Client, slug: &str, body: &str) -> Value {
    let fields = json!({"author": "Ada", "body": body});
    client.post_json(&format!("/api/v1/posts/{slug}/comments"), &fields).await.expect(202).json()
}

async fn approved(client: &Client, slug: &str, count: usize) -> Vec<Value> {
    until("comments on the post", Duration::from_secs(10), || async {
        let list = comments(client, slug).await;
        (list.len() == count).then_some(list)
    })
    .await
}

#[tokio::test]
async fn a_comment_arrives_live_at_every_other_visitor_in_order() {
    let site = Site::shared();
    let slug = site.post("live").await;
    let query = format!("topic=comments.{slug}&topic=metrics.views.{slug}");
    let mut windows = Vec::new();
    for _ in 0..3 {
        windows.push(Events::open(&site.visitor(), &query, None).await);
    }
    let mut sent = Vec::new();
    for number in 0..5 {
        let answer = comment(&site.visitor(), &slug, &format!("Number **{number}** of five")).await;
        sent.push(answer["id"].clone());
        for window in &mut windows {
            let event = window.next().await;
            assert_eq!(event.topic, format!("comments.{slug}"));
            assert_eq!(event.data["payload"]["id"], sent[number]);
            assert_eq!(event.data["payload"]["status"], "approved");
            let html = event.data["payload"]["html"].as_str().unwrap();
            assert!(html.contains(&format!("<strong>{number}</strong>")), "{html}");
        }
    }
    let listed: Vec<Value> =
        comments(&site.visitor(), &slug).await.iter().map(|c| c["id"].clone()).collect();
    assert_eq!(listed, sent);
}

#[tokio::test]
async fn invariant_7_a_form_posts_and_redirects_to_a_page_with_the_comment() {
    let site = Site::shared();
    let slug = site.post("form").await;
    let visitor = site.visitor();
    let fields = [("author", "Grace"), ("email", ""), ("body", "By *form* alone"), ("parent", "")];
    let answer = visitor.post_form(&format!("/posts/{slug}/comments"), &fields).await.expect(303);
    let target = answer.header("location");
    assert!(target.contains(&format!("/posts/{slug}")), "{target}");
    let page = until("comment on the page", Duration::from_secs(10), || async {
        let page = visitor.get(&format!("/posts/{slug}")).await.expect(200).text();
        page.contains("By <em>form</em> alone").then_some(page)
    })
    .await;
    let id = comments(&visitor, &slug).await[0]["id"].as_str().unwrap().to_owned();
    assert!(page.contains(&format!("id=\"comment-{id}\"")), "no anchor for {id}");
}

#[tokio::test]
async fn a_retry_with_the_same_key_is_the_same_comment() {
    let site = Site::shared();
    let slug = site.post("retry").await;
    let visitor = site.visitor().with("idempotency-key", &Uuid::now_v7().to_string());
    let first = comment(&visitor, &slug, "Once").await;
    let again = comment(&visitor, &slug, "Once").await;
    assert_eq!(first["id"], again["id"]);
    let other = json!({"author": "Ada", "body": "Something else"});
    let path = format!("/api/v1/posts/{slug}/comments");
    visitor.post_json(&path, &other).await.expect(422);
    assert_eq!(approved(&visitor, &slug, 1).await[0]["body"], "Once");
}

#[tokio::test]
async fn a_key_that_nobody_can_guess_is_known_from_another_address() {
    let site = Site::shared();
    let slug = site.post("moved").await;
    let key = Uuid::now_v7().to_string();
    let from = |key: &str| site.visitor().with("idempotency-key", key);
    let first = comment(&from(&key), &slug, "Sent from the tunnel").await;
    let again = comment(&from(&key), &slug, "Sent from the tunnel").await;
    assert_eq!(first["id"], again["id"]);
    let first = comment(&from("7"), &slug, "Sent by one").await;
    let other = comment(&from("7"), &slug, "Sent by one").await;
    assert_ne!(first["id"], other["id"], "a key that others may have is its sender's");
}

#[tokio::test]
async fn a_suspicious_comment_is_held_and_its_approval_arrives_live() {
    let site = Site::shared();
    let slug = site.post("held").await;
    let (visitor, admin) = (site.visitor(), site.admin());
    let mut window = Events::open(&visitor, &format!("topic=comments.{slug}"), None).await;
    let spam = "Buy http://a.example http://b.example http://c.example http://d.example now";
    let id = comment(&visitor, &slug, spam).await["id"].as_str().unwrap().to_owned();
    let held = window.next().await.data;
    assert_eq!(
        (&held["payload"]["id"], &held["payload"]["status"]),
        (&json!(id), &json!("pending"))
    );
    assert_eq!(held["payload"]["body"], "", "a held text must not travel");
    assert!(comments(&visitor, &slug).await.is_empty());
    let pending = admin.get("/api/v1/comments?status=pending").await.expect(200).json();
    let listed = pending["items"].as_array().unwrap().iter().any(|c| c["id"] == id.as_str());
    assert!(listed, "{id} is not in {pending}");
    visitor.post_json(&format!("/api/v1/comments/{id}/approve"), &json!({})).await.expect(401);
    let approve = format!("/api/v1/comments/{id}/approve");
    assert!(admin.post_json(&approve, &json!({})).await.status.is_success());
    let told = window.next().await.data;
    assert_eq!(
        (&told["payload"]["id"], &told["payload"]["status"]),
        (&json!(id), &json!("approved"))
    );
    assert!(told["payload"]["html"].as_str().unwrap().contains("a.example"));
    assert_eq!(comments(&visitor, &slug).await.len(), 1);
}

#[tokio::test]
async fn an_answer_names_its_parent_which_must_be_on_the_post() {
    let site = Site::shared();
    let slug = site.post("thread").await;
    let visitor = site.visitor();
    let parent = comment(&visitor, &slug, "The first").await["id"].clone();
    approved(&visitor, &slug, 1).await;
    let path = format!("/api/v1/posts/{slug}/comments");
    let answer = json!({"author": "Bob", "body": "An answer", "parent": parent});
    visitor.post_json(&path, &answer).await.expect(202);
    let list = approved(&visitor, &slug, 2).await;
    assert_eq!(list[1]["parent"], parent);
    let astray = json!({"author": "Bob", "body": "Astray", "parent": Uuid::now_v7()});
    visitor.post_json(&path, &astray).await.expect(422);
}

#[tokio::test]
async fn a_deleted_comment_goes_live_and_its_answers_stay() {
    let site = Site::shared();
    let slug = site.post("deleted").await;
    let (visitor, admin) = (site.visitor(), site.admin());
    let first = comment(&visitor, &slug, "The first").await["id"].clone();
    approved(&visitor, &slug, 1).await;
    let answer = json!({"author": "Bob", "body": "An answer", "parent": first});
    let path = format!("/api/v1/posts/{slug}/comments");
    visitor.post_json(&path, &answer).await.expect(202);
    approved(&visitor, &slug, 2).await;
    let mut window = Events::open(&visitor, &format!("topic=comments.{slug}"), None).await;
    let one = format!("/api/v1/comments/{}", first.as_str().unwrap());
    visitor.try_ask(Method::DELETE, &one, None).await.unwrap().expect(401);
    admin.try_ask(Method::DELETE, &one, None).await.unwrap().expect(204);
    // The approvals may still be on their way.
    let told = loop {
        let payload = window.next().await.data["payload"].clone();
        if payload["status"] == "rejected" {
            break payload;
        }
    };
    assert_eq!((&told["id"], &told["body"]), (&first, &json!("")));
    let left = comments(&visitor, &slug).await;
    assert_eq!((left.len(), &left[0]["parent"]), (1, &Value::Null));
    admin.try_ask(Method::DELETE, &one, None).await.unwrap().expect(404);
}

#[tokio::test]
async fn a_wrong_comment_is_refused_by_name_and_nothing_is_kept() {
    let site = Site::shared();
    let slug = site.post("wrong").await;
    let path = format!("/api/v1/posts/{slug}/comments");
    let long = "x".repeat(20_000);
    for (fields, word) in [
        (json!({"author": "", "body": "x"}), "author"),
        (json!({"author": "A", "body": ""}), "body"),
        (json!({"author": "A", "body": "   \n"}), "body"),
        (json!({"author": "A", "body": long}), "body"),
        (json!({"author": "A"}), "body"),
        (json!({"author": "A", "body": 7}), "body"),
        (json!({"author": "A", "body": "x", "email": "no address"}), "email"),
        (json!({"author": "A", "body": "x", "parent": "no id"}), "parent"),
        (json!({"author": "A", "body": "x", "autor": "B"}), "autor"),
        (json!(["A", "x"]), ""),
    ] {
        let answer = site.visitor().post_json(&path, &fields).await;
        assert!(answer.status.is_client_error(), "{fields} gave {}", answer.status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.text().contains(word), "{word} is not named in {}", answer.text());
    }
    let fields = json!({"author": "A", "body": "x"});
    site.visitor().post_json("/api/v1/posts/no-such/comments", &fields).await.expect(404);
    let form = [("author", "Ada"), ("body", "")];
    let page = site.visitor().post_form(&format!("/posts/{slug}/comments"), &form).await;
    assert!(page.status.is_client_error(), "{}", page.status);
    assert!(page.text().contains("Ada"), "what was typed is lost");
    assert!(comments(&site.visitor(), &slug).await.is_empty());
}

#[tokio::test]
async fn a_flood_from_one_address_is_slowed_and_the_admin_is_not() {
    let site = Site::shared();
    let slug = site.post("flood").await;
    let (visitor, path) = (site.visitor(), format!("/api/v1/posts/{slug}/comments"));
    let mut refused = None;
    for number in 0..40 {
        let fields = json!({"author": "F", "body": format!("flood {number}")});
        let answer = visitor.post_json(&path, &fields).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a flood is refused");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    for number in 0..40 {
        let fields = json!({"author": "Admin", "body": format!("admin {number}")});
        site.admin().post_json(&path, &fields).await.expect(202);
    }
}
