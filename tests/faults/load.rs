//! Clients that send, and keep every promise that they were given.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use axum::http::Method;
use fastrand::Rng;
use serde_json::{Value, json};
use shared::time::Instant as Moment;
use support::client::{Answer, Client};
use support::image::jpeg;
use support::site::Site;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::ledger::Rows;
use crate::scenario::BURST;

/// A client that was not answered tries again for so long.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// An answer that takes longer is none.
const ANSWER: Duration = Duration::from_secs(10);
/// The pause before a client tries again.
const AGAIN: Duration = Duration::from_millis(25);

/// What the site has promised.
#[derive(Debug, Default)]
pub struct Promises {
    /// Accepted comments: their text, and the id that was given for it.
    pub comments: HashMap<String, String>,
    /// Pages of which one view was accepted.
    pub hits: HashSet<String>,
    /// Accepted jobs by id.
    pub jobs: HashMap<String, Job>,
    /// Jobs that were asked for and not answered for, or that another job stood in for:
    /// each may have run, once.
    pub asked: HashSet<String>,
    /// Accepted images.
    pub images: HashSet<String>,
    /// Jobs that are to end as dead.
    pub doomed: HashSet<String>,
    /// Whether the programs' clocks were off: then nobody can tell whether a job ran
    /// before its time.
    pub clock_moved: bool,
    /// Whether the database was restored: events of what it holds may be gone.
    pub rewound: bool,
    /// Times that a client had to ask again.
    pub retries: usize,
    /// Clients that gave up: they were not answered for as long as [`PATIENCE`].
    pub unanswered: usize,
}

/// A job that was accepted.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it counts views of; none when another job may stand in for it.
    pub token: Option<String>,
    /// When it is to run.
    pub due: Option<Moment>,
}

impl Promises {
    /// Adds those of another client.
    pub fn add(&mut self, other: Self) {
        self.comments.extend(other.comments);
        self.hits.extend(other.hits);
        self.jobs.extend(other.jobs);
        self.asked.extend(other.asked);
        self.images.extend(other.images);
        self.doomed.extend(other.doomed);
        self.clock_moved |= other.clock_moved;
        self.rewound |= other.rewound;
        self.retries += other.retries;
        self.unanswered += other.unanswered;
    }

    /// Keeps what a database that was restored has kept of them; gives how many are gone
    /// with what came after its moment. What NATS had of those may happen yet, once.
    pub fn rewind(&mut self, restored: &Rows) -> usize {
        let before = self.count();
        let queued = |id: &String| restored.outbox.iter().any(|row| row.contains(id));
        self.comments.retain(|body, _| restored.comments.contains_key(body));
        self.hits.retain(|page| restored.counts.contains_key(page));
        self.images.retain(|id| restored.images.contains_key(id));
        let kept = |id: &String| restored.done.contains_key(id) || queued(id);
        let gone = self.jobs.extract_if(|id, _| !kept(id));
        self.asked.extend(gone.filter_map(|(_, job)| job.token));
        self.rewound = true;
        before - self.count()
    }

    /// How many there are of each kind.
    pub fn by_kind(&self) -> BTreeMap<&'static str, usize> {
        let kind = |wanted: fn(&Job) -> bool| self.jobs.values().filter(|job| wanted(job)).count();
        BTreeMap::from([
            ("comments", self.comments.len()),
            ("hits", self.hits.len()),
            ("jobs", kind(|job| job.token.is_some() && job.due.is_none())),
            ("scheduled", kind(|job| job.due.is_some())),
            ("unique", kind(|job| job.token.is_none())),
            ("images", self.images.len()),
        ])
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_kind().values().sum()
    }
}

/// Clients at work.
pub struct Load(JoinSet<Promises>);

impl Load {
    /// Has clients of every kind send for as long as a burst.
    pub fn start(site: &Site, slug: &str, mut rng: Rng) -> Self {
        let mut clients = JoinSet::new();
        let mut sender = || Sender::new(site.admin(), slug, rng.fork());
        for _ in 0..2 {
            clients.spawn(sender().comments());
            clients.spawn(sender().hits());
            clients.spawn(sender().jobs());
        }
        clients.spawn(sender().image());
        Self(clients)
    }

    /// Waits until each has the answer to what it has asked for; gives the promises.
    pub async fn finish(mut self) -> Promises {
        let mut promises = Promises::default();
        while let Some(client) = self.0.join_next().await {
            promises.add(client.expect("a client ends"));
        }
        promises
    }
}

/// One client.
pub struct Sender {
    client: Client,
    slug: String,
    rng: Rng,
    until: Instant,
    promises: Promises,
}

impl Sender {
    /// Sends for as long as a burst.
    pub fn new(client: Client, slug: &str, rng: Rng) -> Self {
        let until = Instant::now() + BURST;
        Self { client, slug: slug.to_owned(), rng, until, promises: Promises::default() }
    }

    /// Pauses as people do, for less time; false when the burst is over.
    async fn goes_on(&mut self) -> bool {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(2..15))).await;
        Instant::now() < self.until
    }

    fn token(&mut self) -> String {
        format!("{:016x}", self.rng.u64(..))
    }

    async fn comments(mut self) -> Promises {
        let path = format!("/api/v1/posts/{}/comments", self.slug);
        while self.goes_on().await {
            let body = format!("Entry {}", self.token());
            let fields = json!({"author": "Ledger", "body": body});
            let key = self.token();
            let client = self.client.with("idempotency-key", &key);
            if let Some(answer) = self.insist(&client, &path, &fields).await {
                self.promises.comments.insert(body, id_of(&answer));
            }
        }
        self.promises
    }

    /// Each hit is of a page and a visitor of its own. One that is not answered is sent
    /// again as the same visitor: the visit makes the two one.
    async fn hits(mut self) -> Promises {
        while self.goes_on().await {
            let page = format!("/h/{}", self.token());
            let [a, b, c] = std::array::from_fn(|_| self.rng.u8(1..250));
            let client = self.client.from_address(&format!("10.{a}.{b}.{c}"));
            if self.insist(&client, "/hits", &json!({"path": page})).await.is_some() {
                self.promises.hits.insert(page);
            }
        }
        self.promises
    }

    async fn jobs(mut self) -> Promises {
        while self.goes_on().await {
            let token = self.token();
            let mut order = order(&token);
            match self.rng.u8(..8) {
                0 => self.scheduled(token, order).await,
                1 => self.unique(token, order).await,
                kind => {
                    order["priority"] = json!(["high", "low", "normal"][usize::from(kind) % 3]);
                    self.order(token, &order).await;
                }
            }
        }
        self.promises
    }

    async fn scheduled(&mut self, token: String, mut order: Value) {
        let due = Moment::now().plus(Duration::from_millis(self.rng.u64(500..4000)));
        order["run_at"] = json!(due);
        if let Some(id) = self.order(token, &order).await
            && let Some(job) = self.promises.jobs.get_mut(&id)
        {
            job.due = Some(due);
        }
    }

    /// The job that is named in the answer is promised; it may be another one that holds
    /// the key.
    async fn unique(&mut self, token: String, mut order: Value) {
        order["unique_key"] = json!(format!("{}-{}", self.slug, self.rng.u8(..3)));
        if let Some(id) = self.order(token.clone(), &order).await
            && let Some(job) = self.promises.jobs.get_mut(&id)
            && job.token.as_ref() == Some(&token)
        {
            job.token = None;
            self.promises.asked.insert(token);
        }
    }

    /// Asks for a job. One that is not answered may run or not, so the next try is
    /// another job.
    async fn order(&mut self, token: String, order: &Value) -> Option<String> {
        match ask(&self.client, "/api/v1/jobs", order).await {
            Some(answer) => {
                let id = id_of(&json(&answer));
                let job = Job { token: Some(token.clone()), due: None };
                if self.promises.jobs.get(&id).is_some_and(|job| job.token.is_none()) {
                    self.promises.asked.insert(token);
                } else {
                    self.promises.jobs.insert(id.clone(), job);
                }
                Some(id)
            }
            None => {
                self.promises.asked.insert(token);
                self.promises.retries += 1;
                tokio::time::sleep(AGAIN).await;
                None
            }
        }
    }

    /// One picture, at a random moment. An upload that was not answered is sent again and
    /// is another image.
    async fn image(mut self) -> Promises {
        let wait = self.rng.u64(..BURST.as_millis() as u64);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let (width, height) = (self.rng.u32(40..300), self.rng.u32(40..300));
        let picture = jpeg(width, height, self.rng.u8(..));
        while Instant::now() < self.until + PATIENCE {
            let sent = self.client.try_upload("/api/v1/images", "a.jpg", &picture);
            match tokio::time::timeout(ANSWER, sent).await {
                Ok(Ok(answer)) if answer.status == 202 => {
                    self.promises.images.insert(id_of(&json(&answer)));
                    return self.promises;
                }
                _ => self.promises.retries += 1,
            }
            tokio::time::sleep(AGAIN).await;
        }
        self.promises.unanswered += 1;
        self.promises
    }

    /// Sends the same until it is accepted; none when patience ends first.
    async fn insist(&mut self, client: &Client, path: &str, body: &Value) -> Option<Value> {
        while Instant::now() < self.until + PATIENCE {
            if let Some(answer) = ask(client, path, body).await {
                return Some(json(&answer));
            }
            self.promises.retries += 1;
            tokio::time::sleep(AGAIN).await;
        }
        self.promises.unanswered += 1;
        None
    }
}

/// Sends once; the answer when it is accepted.
pub async fn ask(client: &Client, path: &str, body: &Value) -> Option<Answer> {
    let sent = client.try_json(Method::POST, path, body);
    let answer = tokio::time::timeout(ANSWER, sent).await.ok()?.ok()?;
    let status = answer.status;
    assert!(!status.is_client_error(), "{path} refuses: {status} {}", answer.text());
    status.is_success().then_some(answer)
}

/// A job whose effect is seen to double: it counts two views of a visitor, hours apart, of
/// two pages. Counted again, the older one falls into the later visit, where that page
/// is new.
pub fn order(token: &str) -> Value {
    let hit = |page: &str, hours_ago: u64| {
        let at = Moment::now().millis() - hours_ago as i64 * 3_600_000;
        json!({
            "id": Uuid::now_v7(), "at": Moment::from_millis(at), "path": format!("/j/{token}/{page}"),
            "visitor": token,
        })
    };
    json!({"queue": "views", "kind": "pack", "payload": {"hits": [hit("a", 5), hit("b", 3)]}})
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// The id that an answer gives.
pub fn id_of(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}
