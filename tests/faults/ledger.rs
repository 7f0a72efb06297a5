//! The ledger: what was promised, against what the database, the streams and the objects
//! hold. It asks none of Hearth's programs.

mod database;
mod streams;

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use shared::blobs::{Bucket, Store};
use shared::config::{S3, Secret};
use support::site::Site;

use crate::load::{Job, Promises};
pub use database::{Rows, Watch};
use streams::Streams;
pub use streams::connect;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// So many problems of a balance are told in words.
const TOLD: usize = 5;

/// What does not balance, one line each.
#[derive(Debug, Default)]
pub struct Balance {
    /// Promises that were not kept.
    pub lost: Vec<String>,
    /// Effects that happened more than once.
    pub doubled: Vec<String>,
    /// What is still under way.
    pub stuck: Vec<String>,
    /// Events that are stored twice under one id.
    pub repeated: usize,
}

impl Balance {
    /// Whether all is as it was promised.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.stuck.is_empty()
    }

    /// The first problems in words.
    pub fn problems(&self) -> Vec<String> {
        let all = [("lost", &self.lost), ("doubled", &self.doubled), ("stuck", &self.stuck)];
        let lines = all.into_iter().flat_map(|(word, lines)| {
            lines.iter().take(TOLD).map(move |line| format!("{word}: {line}"))
        });
        lines.collect()
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, doubled, stuck, .. } = self;
        write!(f, "lost {}, doubled {}, stuck {}", lost.len(), doubled.len(), stuck.len())?;
        self.problems().iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// Looks into the stores of one site.
pub struct Ledger<'a> {
    site: &'a Site,
    data_dir: PathBuf,
    public: Bucket,
    private: Bucket,
}

impl<'a> Ledger<'a> {
    /// Of a site.
    pub fn of(site: &'a Site) -> Self {
        let store = site.json()["s3"].clone();
        let text = |name: &str| store[name].as_str().expect("a setting of the store").to_owned();
        let store = Store::new(&S3 {
            endpoint: text("endpoint").parse().expect("an address"),
            region: text("region"),
            access_key_id: text("access_key_id"),
            secret_access_key: Secret::new(text("secret_access_key")),
        });
        let bucket = |name| store.bucket(name).expect("the address of a bucket");
        let (public, private) = (bucket("public"), bucket("private"));
        Self { site, data_dir: site.path("data_dir"), public, private }
    }

    /// With the database of another directory.
    pub fn with_database(self, data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned(), ..self }
    }

    /// The bucket of originals.
    pub fn private(&self) -> &Bucket {
        &self.private
    }

    /// Waits until the balance is clean, or for as long as `limit`; gives the last one.
    pub async fn settle(&self, promises: &Promises, limit: Duration) -> Balance {
        let end = Instant::now() + limit;
        loop {
            let quiet = self.is_quiet().await;
            if quiet || Instant::now() > end {
                let balance = self.balance(promises).await;
                if balance.is_clean() || Instant::now() > end {
                    return balance;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether nothing is on its way: no job, no row of the outbox, no spooled view.
    pub async fn is_quiet(&self) -> bool {
        let moving = database::is_moving(&self.data_dir).unwrap_or(true);
        !moving && streams::is_empty(self.site).await.unwrap_or(false)
    }

    /// Compares once. What cannot be read is told as stuck.
    pub async fn balance(&self, promises: &Promises) -> Balance {
        let mut balance = Balance::default();
        let unreadable = |what: &str, error: String| format!("{what} cannot be read: {error}");
        let rows = match Rows::read(&self.data_dir) {
            Ok(rows) => rows,
            Err(error) => {
                balance.stuck.push(unreadable("data.db", error.to_string()));
                return balance;
            }
        };
        let streams = match Streams::read(self.site).await {
            Ok(streams) => streams,
            Err(error) => {
                balance.stuck.push(unreadable("NATS", error.to_string()));
                return balance;
            }
        };
        let mut audit = Audit { promises, rows: &rows, streams: &streams, balance };
        audit.comments();
        audit.hits();
        audit.jobs();
        audit.images();
        audit.leftovers();
        let mut balance = audit.balance;
        balance.lost.extend(self.missing_objects(promises, &rows).await);
        balance
    }

    /// Objects that a promised image needs and the buckets do not hold.
    async fn missing_objects(&self, promises: &Promises, rows: &Rows) -> Vec<String> {
        let mut missing = Vec::new();
        for image in promises.images.iter().filter_map(|id| rows.images.get(id)) {
            let variants = image.variants.iter().map(|key| (&self.public, key));
            for (bucket, key) in variants.chain([(&self.private, &image.original)]) {
                if let Err(error) = bucket.head(key).await {
                    missing.push(format!("the object {key} of an image: {error}"));
                }
            }
        }
        missing
    }
}

/// One comparison.
struct Audit<'a> {
    promises: &'a Promises,
    rows: &'a Rows,
    streams: &'a Streams,
    balance: Balance,
}

impl Audit<'_> {
    /// A promise is not kept: not yet, when what carries it is on its way.
    fn missing(&mut self, names: &[&str], what: String) {
        let carried = |text: &String| names.iter().any(|name| text.contains(name));
        let under_way = self.rows.outbox.iter().chain(&self.streams.jobs).any(carried);
        let list = if under_way { &mut self.balance.stuck } else { &mut self.balance.lost };
        list.push(what);
    }

    /// Each text once, under the id that was given for it, checked, and told once.
    fn comments(&mut self) {
        let (promises, rows, streams) = (self.promises, self.rows, self.streams);
        for (body, id) in &promises.comments {
            let kept = rows.comments.get(body).map(Vec::as_slice).unwrap_or_default();
            match kept {
                [one] if one.id == *id && one.approved => {}
                [one] if one.id == *id => {
                    self.missing(&[id], format!("the check of comment {id}"));
                }
                [] => self.missing(&[id], format!("comment {id}")),
                [_] => self.balance.lost.push(format!("comment {id} has another id")),
                more => self.balance.doubled.push(format!("comment {id}: {} rows", more.len())),
            }
            match streams.approved.get(id).map_or(0, HashSet::len) {
                1 => {}
                0 if promises.rewound => {}
                0 => self.missing(&[id], format!("the event of comment {id}")),
                more => self.balance.doubled.push(format!("comment {id}: {more} events")),
            }
        }
    }

    /// One view a page, in the rows and in the counters that pages show.
    fn hits(&mut self) {
        let (promises, rows) = (self.promises, self.rows);
        for page in &promises.hits {
            self.views(page, page, true);
        }
        for (page, rows_of) in &rows.hits {
            let counted = rows.counts.get(page).copied().unwrap_or(0);
            if counted > *rows_of {
                self.balance.doubled.push(format!("{page}: {counted} shown, {rows_of} held"));
            } else if counted < *rows_of {
                self.balance.lost.push(format!("{page}: {counted} shown, {rows_of} held"));
            }
        }
    }

    fn views(&mut self, page: &str, name: &str, promised: bool) {
        match self.rows.counts.get(page).copied().unwrap_or(0) {
            0 if promised => self.missing(&[name], format!("the view of {page}")),
            0 | 1 => {}
            more => self.balance.doubled.push(format!("{page}: {more} views")),
        }
    }

    /// A row in `job_done` and the effect once; not before its time.
    fn jobs(&mut self) {
        let (promises, rows) = (self.promises, self.rows);
        for (id, Job { token, due }) in &promises.jobs {
            match (rows.done.get(id), due) {
                (None, _) if rows.dead.contains_key(id) => {
                    self.balance.lost.push(format!("job {id} is dead: {}", rows.dead[id]));
                }
                (None, _) => self.missing(&[id], format!("job {id}")),
                (Some(at), Some(due)) if *at < due.millis() && !promises.clock_moved => {
                    self.balance.lost.push(format!("job {id} ran before its time"));
                }
                _ => {}
            }
            if let Some(token) = token {
                self.views(&format!("/j/{token}/a"), token, true);
                self.views(&format!("/j/{token}/b"), token, true);
            }
        }
        for token in &promises.asked {
            self.views(&format!("/j/{token}/a"), token, false);
            self.views(&format!("/j/{token}/b"), token, false);
        }
        for id in promises.doomed.iter().filter(|id| !rows.dead.contains_key(*id)) {
            self.missing(&[id], format!("job {id} is not among the dead"));
        }
    }

    /// Ready, with variants, and told once.
    fn images(&mut self) {
        let (promises, rows, streams) = (self.promises, self.rows, self.streams);
        for id in &promises.images {
            match rows.images.get(id) {
                Some(image) if image.status == "ready" && !image.variants.is_empty() => {}
                Some(image) => {
                    let why = image.error.as_deref().unwrap_or("no error");
                    self.missing(&[id], format!("image {id} is {}: {why}", image.status));
                }
                None => self.missing(&[id], format!("image {id}")),
            }
            match streams.ready.get(id).map_or(0, HashSet::len) {
                1 => {}
                0 if promises.rewound => {}
                0 => self.missing(&[id], format!("the event of image {id}")),
                more => self.balance.doubled.push(format!("image {id}: {more} events")),
            }
        }
    }

    /// What is left when all is calm: messages, rows, keys, spooled views, clients that
    /// were never answered.
    fn leftovers(&mut self) {
        let (rows, streams, stuck) = (self.rows, self.streams, &mut self.balance.stuck);
        self.balance.repeated = streams.repeated;
        let left = [
            ("messages in JOBS", streams.jobs.len()),
            ("rows in the outbox", rows.outbox.len()),
            ("spooled packs", rows.spooled),
            ("keys of unique jobs", rows.keys),
            ("images that are queued", rows.queued_images()),
            ("clients without an answer", self.promises.unanswered),
        ];
        let lines = left.into_iter().filter(|(_, count)| *count > 0);
        stuck.extend(lines.map(|(what, count)| format!("{count} {what}")));
        for (id, reason) in rows.dead.iter().filter(|(id, _)| !self.promises.doomed.contains(*id)) {
            self.balance.lost.push(format!("dead job {id}: {reason}"));
        }
        if streams.dead != rows.dead.len() {
            let line = format!("DEAD holds {}, dead_jobs {}", streams.dead, rows.dead.len());
            self.balance.lost.push(line);
        }
    }
}
