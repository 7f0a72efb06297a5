//! Readers now, where several processes serve the site.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;
use shared::bus::Bus;
use shared::bus::presence::{Presence, Word};
use shared::subject::PRESENCE;

use crate::support::client::Client;
use crate::support::second::SecondWeb;
use crate::support::site::Site;
use crate::support::sse::Events;
use crate::support::wait::until;

/// Two seconds on a machine that has nothing else to do.
const SOON: Duration = Duration::from_secs(3);

/// Follows readers; its own connection is one of them.
struct Board {
    events: Events,
    slug: String,
}

impl Board {
    async fn open(client: &Client, slug: &str) -> Self {
        let events = Events::open(client, "topic=metrics.live", None).await;
        Self { events, slug: slug.to_owned() }
    }

    /// Waits until the site and the post have so many readers.
    async fn shows(&mut self, site: u64, post: u64, within: Duration) {
        let mut seen = Value::Null;
        let wait = async {
            loop {
                seen = self.events.next().await.data["payload"].clone();
                let posts = seen["posts"][&self.slug].as_u64().unwrap_or(0);
                if (seen["readers"].as_u64(), posts) == (Some(site), post) {
                    break;
                }
            }
        };
        let in_time = tokio::time::timeout(within, wait).await.is_ok();
        assert!(in_time, "not {site} and {post} within {within:?}, but {seen}");
    }
}

/// What the page of a post shows.
async fn page_shows(client: &Client, slug: &str, readers: &str) {
    until("readers on the page", SOON, || async {
        let page = client.get(&format!("/posts/{slug}")).await.expect(200).text();
        let shown = page.split(&format!("data-readers=\"{slug}\"")).nth(1)?;
        let shown = shown.split(['>', '<']).nth(1)?.to_owned();
        (shown == readers).then_some(())
    })
    .await;
}

async fn read(client: &Client, slug: &str) -> Events {
    Events::open(client, &format!("topic=comments.{slug}&topic=metrics.live"), None).await
}

#[tokio::test]
async fn every_process_shows_the_readers_of_all_and_those_who_leave_are_gone_soon() {
    let site = Site::start(&[]);
    let slug = site.post("readers-of-all").await;
    let mut second = SecondWeb::start(&site).await;
    let (here, there) = (site.visitor(), second.visitor("198.51.100.7"));
    let mut first_board = Board::open(&here, &slug).await;
    let mut second_board = Board::open(&there, &slug).await;
    let long = Duration::from_secs(20);
    first_board.shows(2, 0, long).await;
    let mut readers = Vec::new();
    for client in [&here, &there, &there] {
        readers.push(read(client, &slug).await);
    }
    first_board.shows(5, 3, long).await;
    second_board.shows(5, 3, long).await;
    page_shows(&here, &slug, "3").await;
    page_shows(&there, &slug, "3").await;
    let at_first = readers.remove(0);
    drop(readers);
    first_board.shows(3, 1, SOON).await;
    drop(at_first);
    second_board.shows(2, 0, SOON).await;

    let mut left = vec![read(&here, &slug).await, read(&there, &slug).await];
    first_board.shows(4, 2, long).await;
    second.end("-KILL");
    first_board.shows(2, 1, SOON).await;
    page_shows(&here, &slug, "1").await;
    drop((left.split_off(1), second_board));
}

#[tokio::test]
async fn readers_are_counted_on_when_the_process_that_tells_them_ends() {
    let site = Site::start(&[]);
    let slug = site.post("readers-handed-on").await;
    let second = SecondWeb::start(&site).await;
    let there = second.visitor("198.51.100.8");
    let at_first = read(&site.visitor(), &slug).await;
    let mut board = Board::open(&there, &slug).await;
    board.shows(2, 1, Duration::from_secs(20)).await;
    site.kill_and_wait("web").await;
    board.shows(1, 0, Duration::from_secs(10)).await;
    let _again = read(&there, &slug).await;
    board.shows(2, 1, Duration::from_secs(10)).await;
    drop(at_first);
}

#[tokio::test]
async fn a_process_that_is_stopped_says_so_and_no_word_names_a_reader() {
    let site = Site::start(&[]);
    let slug = site.post("readers-unnamed").await;
    let nats = site.json()["nats_url"].as_str().expect("an address").parse().unwrap();
    let bus = Bus::connect(&nats, "test").await.unwrap();
    let mut words = bus.client().subscribe(PRESENCE).await.unwrap();
    let mut second = SecondWeb::start(&site).await;
    let address = "198.51.100.9";
    let reading = read(&second.visitor(address), &slug).await;
    let mut heard = async || words.next().await.expect("a word").payload;
    let process = loop {
        let word: Presence = serde_json::from_slice(&heard().await).unwrap();
        if matches!(&word.word, Word::Here { readers, .. } if readers.posts.contains_key(&slug)) {
            break word.process;
        }
    };
    second.end("-TERM");
    loop {
        let text = heard().await;
        assert!(!String::from_utf8_lossy(&text).contains(address));
        let word: Presence = serde_json::from_slice(&text).unwrap();
        if word.process == process && word.word == Word::Gone {
            break;
        }
    }
    drop(reading);
}
