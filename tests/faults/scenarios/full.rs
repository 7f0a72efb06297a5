//! A disk runs full, or becomes slow, and recovers. Meanwhile pages are served, and what
//! cannot be kept is refused in words.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use fastrand::Rng;
use serde_json::{Value, json};
use stack::TempDir;
use support::site::Site;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::power::House;
use crate::disk_process::DiskProcess;
use crate::load::{Promises, id_of};
use crate::scenario::{Plan, Round, block_on, rounds};
use crate::table::Figures;

/// What is left of a disk when it is said to be full: a random part of this, in bytes.
const LEFT: u64 = 64 * 1024;
/// How long a disk stays full.
const FULL: Duration = Duration::from_millis(3000);
/// What a sync of a slow disk takes.
const SLOW: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// A page is served within this, whatever the disks do.
const PAGE_WITHIN: Duration = Duration::from_secs(2);
/// The pause between two looks at the site.
const PAUSE: Duration = Duration::from_millis(100);

/// The disk of NATS.
pub fn nats(plan: &Plan) -> Figures {
    filled(plan, 1)
}

/// The disk of SQLite, where the spool of page views is too.
pub fn sqlite(plan: &Plan) -> Figures {
    filled(plan, 0)
}

fn filled(plan: &Plan, disk: usize) -> Figures {
    watched(plan, async |house, rng, seen| {
        let disk = &house.disks()[disk];
        let left = rng.u64(..LEFT);
        disk.used().and_then(|used| disk.set_room(Some(used + left))).expect("the disk obeys");
        let promises = seen.watch(&house.site, FULL).await;
        disk.set_room(None).expect("the disk obeys");
        promises
    })
}

/// Both disks are slow.
pub fn slow(plan: &Plan) -> Figures {
    watched(plan, async |house, _, seen| {
        house.power.each(|disk| disk.set_delay(SLOW.0, SLOW.1));
        let promises = seen.watch(&house.site, FULL).await;
        house.power.each(|disk| disk.set_delay(Duration::ZERO, Duration::ZERO));
        promises
    })
}

impl House {
    fn disks(&self) -> &[DiskProcess; 2] {
        &self.power.disks
    }
}

fn watched(
    plan: &Plan,
    mut fault: impl AsyncFnMut(&House, &mut Rng, &mut Seen) -> Promises,
) -> Figures {
    block_on(async {
        let dir = TempDir::new().expect("a directory can be made");
        let house = block_in_place(|| House::start(dir, Vec::new()));
        let mut seen = Seen { slug: house.site.post("watched").await, ..Seen::default() };
        let mut figures = rounds(plan, &house.site, async |round: &mut Round<'_>| {
            round.moment().await;
            let promises = fault(&house, &mut round.rng, &mut seen).await;
            round.promises.add(promises);
            1
        })
        .await;
        figures.notes.push(seen.told());
        figures.lost += seen.pages_missed;
        figures
    })
}

/// What visitors have seen meanwhile.
#[derive(Default)]
struct Seen {
    slug: String,
    pages: usize,
    /// Pages that were not served, or late.
    pages_missed: usize,
    longest: Duration,
    /// How often a comment was answered how.
    answers: BTreeMap<String, usize>,
}

impl Seen {
    /// Reads pages and sends comments for so long; gives what was promised.
    async fn watch(&mut self, site: &Site, time: Duration) -> Promises {
        let (end, mut promises) = (Instant::now() + time, Promises::default());
        while Instant::now() < end {
            let (page, (comment, promise)) = tokio::join!(self.page(site), self.comment(site));
            promises.comments.extend(promise);
            self.pages += 1;
            match page {
                Some(took) => self.longest = self.longest.max(took),
                None => self.pages_missed += 1,
            }
            *self.answers.entry(comment).or_default() += 1;
            sleep(PAUSE).await;
        }
        promises
    }

    async fn page(&self, site: &Site) -> Option<Duration> {
        let (client, path, began) =
            (site.visitor(), format!("/posts/{}", self.slug), Instant::now());
        let answer = tokio::time::timeout(PAGE_WITHIN, client.try_ask(Method::GET, &path, None));
        let answer = answer.await.ok()?.ok()?;
        (answer.status == 200).then(|| began.elapsed())
    }

    /// How a comment is answered, and the promise when there is one.
    async fn comment(&self, site: &Site) -> (String, Option<(String, String)>) {
        let text = format!("Is there room? {}", Uuid::now_v7());
        let body = json!({"author": "Ledger", "body": text});
        let path = format!("/api/v1/posts/{}/comments", self.slug);
        let client = site.admin();
        let sent = client.try_json(Method::POST, &path, &body);
        match tokio::time::timeout(PAGE_WITHIN * 2, sent).await {
            Err(_) => ("no answer".to_owned(), None),
            Ok(Err(_)) => ("no connection".to_owned(), None),
            Ok(Ok(answer)) => {
                let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                let problem = told["detail"].as_str().unwrap_or_default();
                let promise = answer.status.is_success().then(|| (text, id_of(&told)));
                (format!("{} {problem}", answer.status.as_str()).trim_end().to_owned(), promise)
            }
        }
    }

    fn told(&self) -> String {
        let Self { pages, pages_missed, longest, answers, .. } = self;
        let answers: Vec<String> =
            answers.iter().map(|(answer, count)| format!("{count} times {answer}")).collect();
        format!(
            "{pages} pages read meanwhile, {pages_missed} not served, the slowest in {} ms; \
             comments: {}",
            longest.as_millis(),
            answers.join(", ")
        )
    }
}
