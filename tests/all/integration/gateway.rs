//! The gateway with a real worker and a real server on the other side.

#![expect(clippy::unwrap_used, reason = "in a test the panic is the report")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use futures_util::stream;
use serde_json::Value;
use shared::bus::Bus;
use shared::config::Env;
use shared::db::blogroll::{self, Item};
use shared::db::sources::{self, State as Source};
use shared::db::{Data, Ttl, alerts};
use shared::shutdown::Shutdown;
use shared::sources::Sources;
use stack::{Nats, TempDir};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use worker::config::{Config, Role};

use crate::support::wait::until;

/// Anything that these tests wait for comes within this.
const SOON: Duration = Duration::from_secs(30);

/// What the other side answers.
#[derive(Clone)]
enum Answers {
    /// A feed with these titles; 304 to who has it.
    Feed(&'static [&'static str]),
    /// The same, longer after the question than the source is to be asked.
    Slowly(&'static [&'static str]),
    /// JSON.
    Json(&'static str),
    /// An error.
    Fails,
    /// Nothing, ever.
    Hangs,
    /// Bytes without an end.
    Floods,
    /// A redirect.
    Sends(String),
}

/// A server of feeds.
#[derive(Clone)]
struct Other {
    answers: Arc<Mutex<Answers>>,
    /// `if-none-match` of each request.
    asked: Arc<Mutex<Vec<Option<String>>>>,
    url: String,
}

impl Other {
    async fn new(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/feed", listener.local_addr().unwrap());
        let other = Self { answers: Arc::new(Mutex::new(answers)), asked: Arc::default(), url };
        let router = Router::new().fallback(answer).with_state(other.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        other
    }

    fn now(&self, answers: Answers) {
        *self.answers.lock().unwrap() = answers;
    }

    fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn answer(State(other): State<Other>, request: Request) -> Response<Body> {
    let known = request.headers().get("if-none-match");
    let known = known.map(|value| value.to_str().unwrap().to_owned());
    other.asked.lock().unwrap().push(known.clone());
    let answers = other.answers.lock().unwrap().clone();
    let plain = |status: StatusCode| Response::builder().status(status);
    if let Answers::Slowly(_) = answers {
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    match answers {
        Answers::Feed(titles) | Answers::Slowly(titles) => {
            let etag = format!("\"{}\"", titles.join("-"));
            if known.as_ref() == Some(&etag) {
                return plain(StatusCode::NOT_MODIFIED).body(Body::empty()).unwrap();
            }
            plain(StatusCode::OK).header("etag", etag).body(feed(titles).into()).unwrap()
        }
        Answers::Json(text) => plain(StatusCode::OK).body(text.into()).unwrap(),
        Answers::Fails => plain(StatusCode::INTERNAL_SERVER_ERROR).body(Body::empty()).unwrap(),
        Answers::Hangs => std::future::pending().await,
        Answers::Floods => {
            let zeros = stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0; 4096]));
            plain(StatusCode::OK).body(Body::from_stream(zeros)).unwrap()
        }
        Answers::Sends(to) => {
            plain(StatusCode::FOUND).header("location", to).body(Body::empty()).unwrap()
        }
    }
}

fn feed(titles: &[&str]) -> String {
    let item = |title: &&str| {
        format!("<item><title>{title}</title><link>https://other.example/{title}</link></item>")
    };
    let items: String = titles.iter().map(item).collect();
    format!("<rss version=\"2.0\"><channel><title>Other</title>{items}</channel></rss>")
}

/// A worker that runs on its own NATS and database.
struct Place {
    data: Data,
    bus: Bus,
    file: PathBuf,
    stop: Shutdown,
    worker: JoinHandle<Result<(), worker::RunError>>,
    _nats: Nats,
    _dir: TempDir,
}

impl Place {
    /// With the sources `text`; `weather` is a queue.
    async fn new(text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let nats = Nats::start(dir.path()).unwrap();
        Data::prepare(dir.path()).unwrap();
        Ttl::prepare(dir.path()).unwrap();
        let (file, queues) = (dir.path().join("sources.yml"), dir.path().join("queues.yml"));
        std::fs::write(&file, text).unwrap();
        let weather = "  weather:\n    role: external\n    timeout: 1m\n    attempts: 1\n    \
                       backoff: 1s\n";
        let shipped = include_str!("../../../deploy/queues.yml");
        std::fs::write(&queues, shipped.replace("\nqueues:\n", &format!("\nqueues:\n{weather}")))
            .unwrap();
        let variables = [
            ("NATS_URL", nats.url().to_owned()),
            ("QUEUES_FILE", queues.display().to_string()),
            ("SOURCES_FILE", file.display().to_string()),
            ("SITE_DATA_DIR", dir.path().display().to_string()),
            ("SITE_URL", "http://127.0.0.1".to_owned()),
            ("SITE_OPS_ADDR", "127.0.0.1:0".to_owned()),
        ];
        let env = Env::new(variables.map(|(name, value)| (name.to_owned(), value)));
        let config = Config::from_env(env, Role::Data).unwrap();
        let stop = Shutdown::new();
        let worker = tokio::spawn(worker::run(config, stop.clone()));
        let data = Data::open(dir.path()).unwrap();
        let bus = Bus::connect(&nats.url().parse().unwrap(), "test").await.unwrap();
        Self { data, bus, file, stop, worker, _nats: nats, _dir: dir }
    }

    /// The source, once it is as `holds` says.
    async fn source(&self, what: &str, holds: impl Fn(&Source) -> bool) -> Source {
        until(what, SOON, || async {
            let found = sources::find(&self.data, "other".to_owned()).await.unwrap();
            found.filter(&holds)
        })
        .await
    }

    async fn shown(&self) -> Vec<Item> {
        blogroll::newest(&self.data).await.unwrap().unwrap_or_default()
    }

    /// Waits until the box shows these titles, in any order.
    async fn shows(&self, titles: &[&str]) {
        until("the titles", SOON, || async {
            let mut shown: Vec<String> =
                self.shown().await.into_iter().map(|item| item.title).collect();
            shown.sort();
            (shown == titles).then_some(())
        })
        .await;
    }

    /// Waits until an alert says `part`; gives it.
    async fn alert(&self, part: &str) -> String {
        until(part, SOON, || async {
            let all = alerts::list(&self.data, None, None, 100).await.unwrap();
            all.items.into_iter().map(|alert| alert.text).find(|text| text.contains(part))
        })
        .await
    }

    /// Events of the blogroll so far.
    async fn events(&self) -> u64 {
        let stream = self.bus.jetstream().get_stream("EVENTS").await.unwrap();
        let subject = shared::subject::Topic::blogroll().subject();
        let mut found = stream.info_with_subjects(&subject).await.unwrap();
        let mut count = 0;
        while let Some(next) = futures_util::TryStreamExt::try_next(&mut found).await.unwrap() {
            count += next.1 as u64;
        }
        count
    }

    async fn stop(self) {
        self.stop.cancel();
        self.worker.await.unwrap().unwrap();
    }
}

fn one(other: &Other, more: &str) -> String {
    let url = &other.url;
    format!(
        "host_gap: 0s\nsources:\n  other:\n    url: {url}\n    every: 1s\n    \
         allow_private: true\n    pause: 1s\n    pause_max: 2s\n{more}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_in_a_feed_is_shown_and_told_and_what_is_not_changes_nothing() {
    let other = Other::new(Answers::Feed(&["a", "b"])).await;
    let place = Place::new(&one(&other, "    title: Friends\n")).await;
    place.shows(&["a", "b"]).await;
    assert!(place.shown().await.iter().all(|item| item.site == "Friends"));
    let first = place.source("a change", |it| it.changed_at.is_some()).await;
    let asked = other.times_asked();
    until("two more polls", SOON, || async { (other.times_asked() > asked + 1).then_some(()) })
        .await;
    let later = place.source("an answer", |it| it.answered_at > first.answered_at).await;
    assert_eq!(later.changed_at, first.changed_at);
    let known = other.asked.lock().unwrap().last().unwrap().clone();
    assert_eq!(known.as_deref(), Some("\"a-b\""));
    assert_eq!(place.events().await, 1);
    other.now(Answers::Feed(&["b", "c"]));
    place.shows(&["b", "c"]).await;
    until("the event", SOON, || async { (place.events().await == 2).then_some(()) }).await;
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_is_left_alone_for_a_growing_time_and_recovers() {
    let other = Other::new(Answers::Fails).await;
    let place =
        Place::new(&one(&other, "    failures: 2\n").replace("pause: 1s", "pause: 2s")).await;
    let resting = place.source("a rest", |it| it.rests_until.is_some()).await;
    assert_eq!((resting.failures, other.times_asked()), (2, 2));
    assert!(resting.error.unwrap().contains("500"));
    assert!(resting.next_at >= resting.rests_until.unwrap());
    place.alert("the source other is left alone").await;
    let longer = place.source("another rest", |it| it.failures == 3).await;
    let spared = longer.asked_at.unwrap().since(resting.asked_at.unwrap());
    assert!(spared >= Duration::from_secs(2), "{spared:?}");
    other.now(Answers::Feed(&["back"]));
    let good = place.source("an answer", |it| it.failures == 0 && it.answered_at.is_some()).await;
    assert_eq!((good.rests_until, good.error), (None, None));
    place.shows(&["back"]).await;
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_slow_endless_or_elsewhere_is_refused() {
    let (other, hidden) = (Other::new(Answers::Hangs).await, Other::new(Answers::Fails).await);
    let limits = "    failures: 100\n    timeout: 500ms\n    max_bytes: 100000\n    redirects: 1\n";
    let place = Place::new(&one(&other, limits)).await;
    let says = async |part: &str| {
        let holds = |it: &Source| it.error.as_ref().is_some_and(|error| error.contains(part));
        place.source(part, holds).await;
    };
    says("within 500ms").await;
    other.now(Answers::Floods);
    says("more than 100000 bytes").await;
    other.now(Answers::Sends("/again".to_owned()));
    says("redirects more than 1 times").await;
    other.now(Answers::Sends("file:///etc/passwd".to_owned()));
    says("redirects to \"file:///etc/passwd\"").await;
    other.now(Answers::Sends(hidden.url.clone()));
    says("which is not public").await;
    assert_eq!(hidden.times_asked(), 0);
    assert!(place.shown().await.is_empty());
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_takes_longer_than_its_interval_is_heard() {
    let other = Other::new(Answers::Slowly(&["late"])).await;
    let place = Place::new(&one(&other, "")).await;
    place.shows(&["late"]).await;
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_not_asked_unless_that_is_allowed() {
    let other = Other::new(Answers::Feed(&["secret"])).await;
    let text = one(&other, "").replace("allow_private: true", "allow_private: false");
    let place = Place::new(&text).await;
    let refused = place.source("a failure", |it| it.failures > 0).await;
    assert!(refused.error.unwrap().contains("allow_private: true"));
    assert_eq!(other.times_asked(), 0);
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_file_is_told_with_its_line_and_the_settings_stay() {
    let other = Other::new(Answers::Feed(&["old"])).await;
    let good = one(&other, "");
    let place = Place::new(&good).await;
    place.shows(&["old"]).await;
    std::fs::write(&place.file, good.replace("every: 1s", "every: soon")).unwrap();
    let told = place.alert("sources.yml:5").await;
    assert!(told.contains("from 1s to 720h"), "{told}");
    other.now(Answers::Feed(&["new"]));
    place.shows(&["new"]).await;
    std::fs::write(&place.file, "sources: {}\n").unwrap();
    until("no box", SOON, || async {
        blogroll::newest(&place.data).await.unwrap().is_none().then_some(())
    })
    .await;
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_api_says_goes_to_the_queue_that_the_source_names() {
    let other = Other::new(Answers::Json("{\"degrees\": 21}")).await;
    let place = Place::new(&one(&other, "    to: weather\n")).await;
    let subject = shared::subject::job("weather", "changed");
    let job = until("the job", SOON, || async {
        let stream = place.bus.jetstream().get_stream("JOBS").await.ok()?;
        stream.get_last_raw_message_by_subject(&subject).await.ok()
    })
    .await;
    let job: Value = serde_json::from_slice(&job.payload).unwrap();
    assert_eq!(job["payload"]["body"]["degrees"], 21);
    assert_eq!(job["payload"]["source"], "other");
    let asked = other.times_asked();
    until("another poll", SOON, || async { (other.times_asked() > asked).then_some(()) }).await;
    let stream = place.bus.jetstream().get_stream("JOBS").await.unwrap();
    let newest = stream.get_last_raw_message_by_subject(&subject).await.unwrap();
    let newest: Value = serde_json::from_slice(&newest.payload).unwrap();
    assert_eq!(newest["id"], job["id"], "the same answer was sent again");
    place.stop().await;
}

/// A database with the sources `text`, and two processes that have it open.
async fn two_processes(text: &str) -> (TempDir, Data, Data) {
    let dir = TempDir::new().unwrap();
    Data::prepare(dir.path()).unwrap();
    let (a, b) = (Data::open(dir.path()).unwrap(), Data::open(dir.path()).unwrap());
    let sources = Sources::of_text(dir.path(), text, |_| true).unwrap();
    sources::sync(&a, sources).await.unwrap();
    (dir, a, b)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_poll_a_source_once_when_it_is_due() {
    let (_dir, a, b) = two_processes("sources:\n  other:\n    url: https://a.example/\n").await;
    let (x, y) = tokio::join!(sources::enqueue_due(&a), sources::enqueue_due(&b));
    assert_eq!(x.unwrap() + y.unwrap(), 1);
    assert_eq!(sources::enqueue_due(&b).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_processes_share_the_turns_of_a_host() {
    let (_dir, a, b) = two_processes("sources: {}\n").await;
    let (gap, patience) = (Duration::from_secs(60), Duration::from_secs(90));
    let wait = async |data, host: &str| {
        sources::take_turn(data, host.to_owned(), gap, patience).await.unwrap()
    };
    assert_eq!(wait(&a, "one.example").await, Duration::ZERO);
    let second = wait(&b, "one.example").await;
    assert!(second > patience / 2 && second <= gap, "{second:?}");
    let third = wait(&a, "one.example").await;
    assert!(third > patience, "{third:?}");
    assert!(wait(&b, "one.example").await <= third, "a turn was taken that nobody waits for");
    assert_eq!(wait(&b, "two.example").await, Duration::ZERO);
}
