//! Who may watch what: topics of the admin, tokens, pages of other sites, limits.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::edge::Edge;
use crate::support::site::Site;
use crate::support::sse::Events;

const OF_THE_ADMIN: [&str; 6] = [
    "alerts.errors",
    "alerts.warnings",
    "alerts.load",
    "images.0199a0b0-0000-7000-8000-000000000000",
    "jobs.comments",
    "backups.daily",
];

async fn ask(client: &Client, query: &str) -> Answer {
    client.get(&format!("/events?{query}&wait=0")).await
}

/// Why a request is refused, as a problem document tells it.
async fn refused(client: &Client, query: &str, status: u16) -> String {
    let answer = ask(client, query).await.expect(status);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    problem["detail"].as_str().expect("a detail").to_owned()
}

/// `web admin token WORDS`: whether it was done, and what it said.
fn token(site: &Site, words: &[&str]) -> (bool, String) {
    let ran = site.exec(&[&["web", "admin", "token"], words].concat());
    let said = if ran.status.success() { &ran.stdout } else { &ran.stderr };
    (ran.status.success(), String::from_utf8_lossy(said).trim().to_owned())
}

#[tokio::test]
async fn every_topic_of_the_admin_refuses_visitors_and_takes_session_and_token() {
    let site = Site::shared();
    let session = site.session().await;
    for topic in OF_THE_ADMIN {
        let query = format!("topic={topic}");
        refused(&site.visitor(), &query, 401).await;
        refused(&site.visitor(), &format!("topic=blogroll&{query}"), 401).await;
        ask(&session, &query).await.expect(200);
        ask(&site.admin(), &query).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_that_may_watch_some_topics_may_do_nothing_else() {
    let site = Site::start(&[]);
    let edge = Edge::start(&site, &[]).await;
    let words = ["--watch", "comments.*", "--watch", "alerts.load", "--expires", "30d"];
    let (made, kiosk) = token(&site, &[&["--name", "kiosk"][..], &words].concat());
    assert!(made, "{kiosk}");
    let visitor = site.visitor();
    let in_address = format!("token={kiosk}");
    for client in [visitor.clone(), edge.client(&visitor)] {
        for topic in ["comments.hello", "alerts.load"] {
            ask(&client.bearer(&kiosk), &format!("topic={topic}")).await.expect(200);
            ask(&client, &format!("topic={topic}&{in_address}")).await.expect(200);
        }
        for topic in ["alerts.errors", "metrics.views"] {
            let why = refused(&client.bearer(&kiosk), &format!("topic={topic}"), 403).await;
            assert!(why.contains("comments.*, alerts.load"), "{why}");
        }
        let admin = site.json()["admin_token"].as_str().unwrap().to_owned();
        let why = refused(&client, &format!("topic=blogroll&token={admin}"), 400).await;
        assert!(why.contains("Authorization: Bearer"), "{why}");
        refused(&client, "topic=blogroll&token=nonsense", 401).await;
    }
    for path in ["/api/v1/queues", "/api/v1/posts", "/admin", "/account"] {
        visitor.bearer(&kiosk).get(path).await.expect(403);
    }
    let (_, list) = token(&site, &["--list"]);
    assert!(list.contains("kiosk  watches comments.* alerts.load  expires "), "{list}");
    let account = site.admin().get("/account").await.expect(200).text();
    assert!(account.contains("may only watch <code>comments.* alerts.load"), "{account}");
    assert!(token(&site, &["--revoke", "kiosk"]).0);
    for client in [visitor.clone(), edge.client(&visitor)] {
        refused(&client, &format!("topic=comments.hello&{in_address}"), 401).await;
    }
    let logs = site.command(&["logs", "web"], &[]).stdout;
    assert!(!String::from_utf8_lossy(&logs).contains(&kiosk), "the token is in the log");
}

#[tokio::test]
async fn streams_of_the_admins_topics_end_when_a_token_is_revoked_and_no_others_do() {
    let site = Site::start(&[]);
    let edge = Edge::start(&site, &[]).await;
    let (_, kiosk) = token(&site, &["--name", "kiosk", "--watch", "alerts.*"]);
    let slug = site.post("while-others-are-asked-again").await;
    let remark = json!({"author": "Ann", "body": "Well said."});
    let both = "topic=alerts.load&topic=alerts.warnings";
    for client in [site.visitor(), edge.client(&site.visitor())] {
        let mut public = Events::open(&client, &format!("topic=comments.{slug}"), None).await;
        let mut guarded = Events::open(&client.bearer(&kiosk), both, None).await;
        token(&site, &["--name", "other"]);
        assert!(token(&site, &["--revoke", "other"]).0);
        assert!(guarded.next_or_end().await.is_none(), "it goes on");
        ask(&client.bearer(&kiosk), "topic=alerts.load").await.expect(200);
        site.visitor().post_json(&format!("/posts/{slug}/comments"), &remark).await.expect(202);
        assert_eq!(public.next().await.data["payload"]["author"], "Ann");
    }
}

#[tokio::test]
async fn a_token_for_topics_that_there_are_not_is_refused_with_those_there_are() {
    let site = Site::shared();
    for wrong in ["nothing.*", "users.*", "comments"] {
        let (made, why) = token(&site, &["--watch", wrong]);
        assert!(!made && why.contains("comments.*, metrics.views"), "{why}");
    }
    let why = refused(&site.visitor(), "topic=nothing", 400).await;
    assert!(why.contains("no topic nothing; there are comments.*, metrics.views"), "{why}");
}

#[tokio::test]
async fn too_many_topics_and_too_long_ones_are_refused_with_the_limit_and_what_came() {
    let site = Site::shared();
    let limits = [("LIVE_TOPICS", "2"), ("LIVE_TOPIC_BYTES", "20")];
    let edge = Edge::start(&site, &limits).await;
    let visitor = edge.client(&site.visitor());
    let three = "topic=comments.a&topic=comments.b&topic=comments.c";
    let why = refused(&visitor, three, 400).await;
    assert!(why.contains("1 to 2 topics") && why.ends_with("got 3"), "{why}");
    let why = refused(&visitor, "topic=comments.a-long-one-indeed", 400).await;
    assert!(why.contains("20 bytes at most; got 26, which begin with \"comments.a-"), "{why}");
    ask(&visitor, "topic=comments.a&topic=comments.b&topic=comments.a").await.expect(200);
    let many: Vec<String> = (0..65).map(|number| format!("topic=comments.p{number}")).collect();
    let why = refused(&site.visitor(), &many.join("&"), 400).await;
    assert!(why.contains("1 to 64 topics") && why.ends_with("got 65"), "{why}");
}

fn cors(answer: &Answer) -> [&str; 3] {
    ["access-control-allow-origin", "access-control-allow-credentials", "vary"]
        .map(|name| answer.header(name))
}

#[tokio::test]
async fn pages_of_other_sites_may_watch_where_the_setting_names_them() {
    const FRIEND: &str = "https://friend.example";
    let site = Site::shared();
    let from = |client: &Client, origin: &str| client.with("origin", origin);
    let visitor = site.visitor();
    assert_eq!(cors(&ask(&from(&visitor, FRIEND), "topic=blogroll").await), ["", "", ""]);

    let named = [("LIVE_ORIGINS", "https://friend.example, http://b.example")];
    let edge = Edge::start(&site, &named).await;
    let some = edge.client(&visitor);
    let friend = from(&some, FRIEND);
    assert_eq!(cors(&ask(&friend, "topic=blogroll").await), [FRIEND, "", "Origin"]);
    assert_eq!(cors(&ask(&friend, "topic=nothing").await), [FRIEND, "", "Origin"]);
    let stranger = from(&some, "https://stranger.example");
    assert_eq!(cors(&ask(&stranger, "topic=blogroll").await), ["", "", "Origin"]);
    let before = friend.with("access-control-request-method", "GET");
    let before = before.try_ask(Method::OPTIONS, "/events?topic=blogroll", None).await.unwrap();
    assert_eq!(cors(&before.expect(204)), [FRIEND, "", "Origin"]);

    let all = Edge::start(&site, &[("LIVE_ORIGINS", "*")]).await;
    let anybody = from(&all.client(&visitor), "https://anybody.example");
    assert_eq!(cors(&ask(&anybody, "topic=blogroll").await), ["*", "", ""]);
}

#[tokio::test]
async fn a_preflight_names_what_a_page_may_send() {
    let site = Site::shared();
    let edge = Edge::start(&site, &[("LIVE_ORIGINS", "*")]).await;
    let page = edge.client(&site.visitor()).with("origin", "https://a.example");
    let answer = page.try_ask(Method::OPTIONS, "/events", None).await.unwrap().expect(204);
    assert_eq!(answer.header("access-control-allow-methods"), "GET");
    assert!(answer.header("access-control-allow-headers").contains("last-event-id"));
    assert!(answer.header("access-control-allow-headers").contains("authorization"));
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).ok(), None);
}
