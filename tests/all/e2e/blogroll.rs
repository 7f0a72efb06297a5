//! The blogroll: what another site publishes appears on the home page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::header;
use tokio::net::TcpListener;

use crate::support::site::Site;
use crate::support::sse::Events;
use crate::support::wait::until;

const TITLE: &str = "Fast &amp;amp; small &lt;script&gt;alert(1)&lt;/script&gt;";

fn feed(has_more: bool) -> String {
    let item = |title: &str, name: &str| {
        format!(
            "<entry><id>{name}</id><title type=\"html\">{title}</title>\
             <link href=\"https://other.example/{name}\"/>\
             <published>2026-11-0{}T08:00:00Z</published></entry>",
            name.len()
        )
    };
    let more = if has_more { item(TITLE, "bb") } else { String::new() };
    let trap = "<entry><id>x</id><title>Trap</title><link href=\"javascript:alert(1)\"/></entry>";
    format!(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Other site</title>{}{more}{trap}</feed>",
        item("First", "a")
    )
}

#[tokio::test]
async fn a_new_post_of_another_site_appears_on_the_home_page_and_as_an_event() {
    let has_more = Arc::new(AtomicBool::new(false));
    let shown = Arc::clone(&has_more);
    let answer = async move || {
        let kind = [(header::CONTENT_TYPE, "application/atom+xml")];
        (kind, feed(shown.load(Ordering::Relaxed)))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    let file = std::env::temp_dir().join(format!("sources-{}.yml", uuid::Uuid::now_v7()));
    let text = format!(
        "sources:\n  other:\n    url: http://{address}/\n    every: 1s\n    allow_private: true\n"
    );
    std::fs::write(&file, "sources: {}\n").expect("the file is written");
    let site = Site::start(&[("SOURCES_FILE", &file.display().to_string())]);
    let home = site.visitor().get("/").await.expect(200).text();
    assert!(!home.contains("data-blogroll"), "there is a box without a source");
    let mut window = Events::open(&site.visitor(), "topic=blogroll", None).await;
    std::fs::write(&file, text).expect("the file is written");
    let event = window.next().await;
    assert_eq!(event.data["payload"]["items"][0]["url"], "https://other.example/a");
    let home = site.visitor().get("/").await.expect(200).text();
    assert!(home.contains("rel=\"noopener nofollow\">First</a>"), "{home}");
    has_more.store(true, Ordering::Relaxed);
    let event = window.next().await;
    assert_eq!(event.data["payload"]["items"][0]["title"], "Fast & small alert(1)");
    assert_eq!(event.data["payload"]["items"][1]["title"], "First");
    let home = site.visitor().get("/").await.expect(200).text();
    assert!(home.contains("https://other.example/bb") && home.contains(" blogroll"), "{home}");
    assert!(!home.contains("javascript:") && !home.contains("<script>alert"), "{home}");
    let states = until("a state", Duration::from_secs(10), || async {
        let states = site.admin().get("/api/v1/sources").await.expect(200).json();
        states["items"][0]["answered_at"].is_string().then_some(states)
    })
    .await;
    assert_eq!(states["items"][0]["name"], "other");
    site.visitor().get("/api/v1/sources").await.expect(401);
    std::fs::remove_file(&file).expect("the file is there");
}
