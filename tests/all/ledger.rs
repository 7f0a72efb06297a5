//! The first ledger: what was promised under kill -9, against what is there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::site::Site;
use crate::support::wait::until;

const COMMENTS: usize = 500;
const HITS: usize = 5_000;
/// Clients of each kind at once.
const CLIENTS: usize = 4;

/// What a client was promised.
#[derive(Default)]
struct Promised {
    comments: HashMap<String, String>,
    hits: usize,
    retries: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariants_2_and_3_every_accepted_comment_and_hit_is_there_once_after_kills() {
    let site = Arc::new(Site::start(&[("COMMENTS_MODERATION", "none")]));
    let slug = site.post("ledger").await;
    let sending = Arc::new(AtomicBool::new(true));
    let killer = tokio::spawn(kill_in_turn(Arc::clone(&site), Arc::clone(&sending)));
    let promised = send_all(&site, &slug).await;
    sending.store(false, Ordering::Relaxed);
    let kills = killer.await.expect("the killer ends");
    site.ready().await;
    let kept = settled(&site, &slug, &promised).await;
    println!(
        "ledger: {} comments and {} hits promised, {} retries, kills {kills:?}",
        promised.comments.len(),
        promised.hits,
        promised.retries
    );
    check(&promised, &kept);
}

/// Kills each in turn with -9 while clients are sending.
async fn kill_in_turn(site: Arc<Site>, sending: Arc<AtomicBool>) -> HashMap<&'static str, usize> {
    let mut kills = HashMap::new();
    for name in ["worker", "web", "nats", "cron"].into_iter().cycle() {
        if !sending.load(Ordering::Relaxed) && kills.len() == 4 {
            return kills;
        }
        site.kill_and_wait(name).await;
        *kills.entry(name).or_default() += 1;
    }
    unreachable!("a cycle has no end")
}

async fn send_all(site: &Arc<Site>, slug: &str) -> Promised {
    let (comments, hits) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(send_comments(site.admin(), slug.to_owned(), Arc::clone(&comments)));
        clients.spawn(send_hits(site.admin(), slug.to_owned(), Arc::clone(&hits)));
    }
    let mut promised = Promised::default();
    while let Some(part) = clients.join_next().await {
        let part = part.expect("a client ends");
        promised.comments.extend(part.comments);
        promised.hits += part.hits;
        promised.retries += part.retries;
    }
    promised
}

async fn send_comments(client: Client, slug: String, next: Arc<AtomicUsize>) -> Promised {
    let mut promised = Promised::default();
    let path = format!("/api/v1/posts/{slug}/comments");
    while next.fetch_add(1, Ordering::Relaxed) < COMMENTS {
        let body = format!("Entry {}", Uuid::now_v7());
        let fields = json!({"author": "Ledger", "body": body});
        let client = client.with("idempotency-key", &Uuid::now_v7().to_string());
        let answer = insist(&client, &path, &fields, 202, &mut promised.retries).await;
        let id = answer["id"].as_str().expect("an id").to_owned();
        promised.comments.insert(id, body);
    }
    promised
}

/// Each hit is another visitor's, so that each counts. A hit that was not
/// answered may be counted or not: it is sent again as the same visitor, and
/// the visit makes it one.
async fn send_hits(client: Client, slug: String, next: Arc<AtomicUsize>) -> Promised {
    let mut promised = Promised::default();
    let beacon = json!({"path": format!("/posts/{slug}")});
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= HITS {
            return promised;
        }
        let address = format!("10.{}.{}.{}", number / 62_500, number / 250 % 250, number % 250 + 1);
        let client = client.from_address(&address);
        insist(&client, "/hits", &beacon, 204, &mut promised.retries).await;
        promised.hits += 1;
    }
}

/// Sends until it is accepted; gives the answer's JSON, if it has some.
async fn insist(
    client: &Client,
    path: &str,
    body: &Value,
    status: u16,
    retries: &mut usize,
) -> Value {
    loop {
        match client.try_json(Method::POST, path, body).await {
            Ok(answer) if answer.status == status => {
                return serde_json::from_slice(&answer.body).unwrap_or_default();
            }
            Ok(answer) if answer.status.is_client_error() => {
                panic!("{path} refuses: {} {}", answer.status, answer.text())
            }
            Ok(_) | Err(_) => {
                *retries += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// What the site holds.
struct Kept {
    comments: Vec<(String, String)>,
    views: u64,
    visitors: u64,
    dead: usize,
}

/// Waits until nothing moves any more: all that was promised is there, or the
/// time is up and the check tells what is missing.
async fn settled(site: &Site, slug: &str, promised: &Promised) -> Kept {
    let limit = std::time::Instant::now() + Duration::from_secs(60);
    until("settled ledger", Duration::from_secs(90), || async {
        let kept = kept(site, slug).await;
        let whole =
            kept.comments.len() >= promised.comments.len() && kept.views >= promised.hits as u64;
        (whole || std::time::Instant::now() > limit).then_some(kept)
    })
    .await
}

async fn kept(site: &Site, slug: &str) -> Kept {
    let admin = site.admin();
    let list = admin.get(&format!("/api/v1/posts/{slug}/comments")).await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let comments = list["items"].as_array().expect("items").iter();
    let comments = comments.map(|c| (text(&c["id"]), text(&c["body"]))).collect();
    let totals = admin.get("/api/v1/stats/totals").await.expect(200).json();
    let dead = admin.get("/api/v1/jobs?state=dead").await.expect(200).json();
    Kept {
        comments,
        views: totals["views"].as_u64().expect("views"),
        visitors: totals["visitors"].as_u64().expect("visitors"),
        dead: dead["items"].as_array().expect("items").len(),
    }
}

fn check(promised: &Promised, kept: &Kept) {
    let ids: HashSet<&String> = kept.comments.iter().map(|(id, _)| id).collect();
    let lost = promised.comments.keys().filter(|id| !ids.contains(id)).count();
    let doubled = kept.comments.len() - ids.len();
    let changed = kept.comments.iter().filter(|(id, body)| promised.comments.get(id) != Some(body));
    println!(
        "ledger: {} comments and {} views kept, {} visitors, {} dead jobs",
        kept.comments.len(),
        kept.views,
        kept.visitors,
        kept.dead
    );
    assert_eq!((lost, doubled, changed.count(), kept.dead), (0, 0, 0, 0));
    assert_eq!((promised.comments.len(), kept.comments.len()), (COMMENTS, COMMENTS));
    assert_eq!((kept.views, kept.visitors), (HITS as u64, HITS as u64));
}
