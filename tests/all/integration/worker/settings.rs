//! Settings that change while the worker runs.

use shared::bus::pauses::{self, PauseError};
use worker::reload::{self, Stores};
use worker::unlisted;

use super::*;

/// A file of queues, and a worker that follows it.
struct Followed {
    path: std::path::PathBuf,
    settings: watch::Receiver<Arc<Queues>>,
    shutdown: Shutdown,
    following: JoinHandle<()>,
}

impl Followed {
    fn new(ground: &Ground, text: &str) -> Self {
        let path = ground.dir.path().join("queues.yml");
        std::fs::write(&path, text).unwrap();
        let (changed, settings) = watch::channel(Arc::new(Queues::read(&path).unwrap()));
        let shutdown = Shutdown::new();
        let registry = doing(effect);
        let fits = move |queues: &Queues| registry.check(queues).map_err(|error| error.to_string());
        let dir = Some(ground.dir.path().to_owned());
        let stores = Stores { bus: ground.bus.clone(), data: Some(ground.data.clone()), dir };
        let follow = reload::follow(path.clone(), fits, stores, changed, shutdown.clone());
        Self { path, settings, shutdown, following: tokio::spawn(follow) }
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.path, text).unwrap();
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.following.await.unwrap();
    }
}

/// How many alerts say `part`.
async fn told(ground: &Ground, part: &str) -> usize {
    let alerts = alerts::list(&ground.data, None, None, 100).await.unwrap();
    alerts.items.iter().filter(|alert| alert.text.contains(part)).count()
}

fn file(attempts: &str) -> String {
    format!("queues:\n  chores: {{role: data, timeout: 1s, attempts: {attempts}, backoff: 1s}}\n")
}

/// What NATS says of the consumer of chores.
async fn chores(ground: &Ground) -> serde_json::Value {
    let ask = "$JS.API.CONSUMER.INFO.JOBS.chores";
    let answer = ground.bus.client().request(ask, "".into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_although_nats_has_no_consumer_yet_or_loses_it() {
    let ground = Ground::new().await;
    pauses::set(&ground.data, &ground.bus, "chores", true).await.unwrap();
    let working = ground.work(doing(effect));
    until("it is paused", async || chores(&ground).await["paused"] == true).await;
    let id = ground.order("for later").await;
    let first = chores(&ground).await["created"].clone();
    let delete = "$JS.API.CONSUMER.DELETE.JOBS.chores";
    ground.bus.client().request(delete, "".into()).await.unwrap();
    let anew = async || {
        let now = chores(&ground).await;
        now["created"].is_string() && now["created"] != first
    };
    until("it is made anew", anew).await;
    assert_eq!(chores(&ground).await["paused"], true);
    assert!(!ground.is_done(id).await);
    pauses::set(&ground.data, &ground.bus, "chores", false).await.unwrap();
    until("it is done", async || ground.is_done(id).await).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_is_told_of_a_pause_that_was_written_down_while_it_was_away() {
    let mut ground = Ground::new().await;
    let working = ground.work(doing(effect));
    until("the queue is worked on", async || chores(&ground).await["num_waiting"] == 1).await;
    ground.nats.kill();
    until("NATS is missed", async || ground.bus.ready().is_err()).await;
    let untold = pauses::set(&ground.data, &ground.bus, "chores", true).await.unwrap_err();
    assert!(matches!(untold, PauseError::Untold(_)), "{untold}");
    ground.nats.restart().unwrap();
    until("NATS is back", async || ground.bus.ready().is_ok()).await;
    until("it is paused", async || chores(&ground).await["paused"] == true).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_settings_are_in_force_without_a_restart() {
    let ground = Ground::new().await;
    let working = ground.work(doing(effect));
    let first = ground.order("before").await;
    until("it is done", async || ground.is_done(first).await).await;
    let set = |paused: bool| {
        let mut queues = ground.queues.clone();
        queues.queues.get_mut("chores").unwrap().paused = paused;
        working.settings.send_replace(Arc::new(queues));
    };
    set(true);
    until("nobody asks for jobs", async || chores(&ground).await["num_waiting"] == 0).await;
    let second = ground.order("while paused").await;
    set(false);
    until("it is done", async || ground.is_done(second).await).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_file_is_told_and_the_settings_before_it_stay() {
    let ground = Ground::new().await;
    let mut followed = Followed::new(&ground, &file("3"));
    followed.write(&file("many"));
    until("the mistake is told", async || told(&ground, "queues.yml").await > 0).await;
    followed.write(&file("3").replace("chores", "errands"));
    until("it is told", async || told(&ground, "chores is missing").await > 0).await;
    assert!(!followed.settings.has_changed().unwrap());
    followed.write(&file("7"));
    followed.settings.changed().await.unwrap();
    assert_eq!(followed.settings.borrow().queues["chores"].attempts, 7);
    let restarted = || Queues::read_or_last(&followed.path, ground.dir.path());
    followed.write(&file("many"));
    let kept = async || restarted().is_ok_and(|file| file.queues["chores"].attempts == 7);
    until("a restart goes by what was right", kept).await;
    followed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_holds_jobs_is_not_dropped_until_it_is_empty() {
    let ground = Ground::new().await;
    let errands = "  errands: {role: external, timeout: 1s, attempts: 1, backoff: 1s}\n";
    let mut followed = Followed::new(&ground, &format!("{}{errands}", file("3")));
    let subject = "jobs.errands.run".to_owned();
    for n in 0..3 {
        let (msg_id, subject) = (n.to_string(), subject.clone());
        ground.bus.publish(&Message { msg_id, subject, body: "{}".into() }).await.unwrap();
    }
    let tomorrow = shared::time::Instant::now().plus(Duration::from_secs(86_400));
    let later = shared::jobs::enqueue::Enqueue::of("errands", "run", Uuid::now_v7(), ());
    let send = move |tx: &Tx<'_>| outbox::enqueue(tx, later.at(tomorrow));
    let later: Uuid = ground.data.writer().write::<_, shared::db::Error, _>(send).await.unwrap();
    followed.write(&file("3"));
    let problem = "queue errands is gone from the file, but 4 of its jobs";
    until("the refusal is told", async || told(&ground, problem).await > 0).await;
    assert!(!followed.settings.has_changed().unwrap());
    ground.bus.jetstream().get_stream("JOBS").await.unwrap().purge().await.unwrap();
    jobs::cancel(&ground.data, later.to_string()).await.unwrap();
    followed.settings.changed().await.unwrap();
    assert!(!followed.settings.borrow().queues.contains_key("errands"));
    assert_eq!(told(&ground, "errands").await, 1, "it is told once");
    followed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_queue_that_the_file_does_not_have_are_shown_and_told() {
    let ground = Ground::new().await;
    let subject = "jobs.errands.run".to_owned();
    let lost = Message { msg_id: "1".to_owned(), subject, body: "{}".into() };
    ground.bus.publish(&lost).await.unwrap();
    let shown = shared::overview::queues(&ground.data, &ground.bus, &ground.queues).await.unwrap();
    let names: Vec<_> = shown.items.iter().map(|it| (&*it.name, it.listed, it.depth)).collect();
    assert_eq!(names, [("chores", true, Some(0)), ("errands", false, Some(1))]);
    assert_eq!(shown.items[1].taken, Some(false));
    // A worker whose file has it still takes it.
    let tomorrow = shared::time::Instant::now().plus(Duration::from_secs(86_400));
    let later = shared::jobs::enqueue::Enqueue::of("errands", "run", Uuid::now_v7(), ());
    let send = move |tx: &Tx<'_>| outbox::enqueue(tx, later.at(tomorrow)).map(drop);
    ground.data.writer().write::<(), shared::db::Error, _>(send).await.unwrap();
    let queues = BTreeMap::from([("errands".to_owned(), queue(Role::Data))]);
    let queues = Queues { queues, ..Queues::default() };
    let working = work(ground.data.clone(), ground.bus.clone(), queues, Registry::default());
    let taken = async || {
        let shown = shared::overview::queues(&ground.data, &ground.bus, &ground.queues).await;
        let mut items = shown.unwrap().items.into_iter();
        items.any(|it| it.name == "errands" && !it.listed && it.taken == Some(true))
    };
    until("somebody takes it", taken).await;
    working.stop().await;
    ground.bus.publish(&Message { msg_id: "2".to_owned(), ..lost }).await.unwrap();
    let (_settings, live) = watch::channel(Arc::new(ground.queues.clone()));
    let shutdown = Shutdown::new();
    let (bus, data) = (ground.bus.clone(), ground.data.clone());
    let telling = tokio::spawn(unlisted::run(bus, data, live, shutdown.clone()));
    until("it is told", async || told(&ground, "no worker takes the queue errands").await == 1)
        .await;
    shutdown.cancel();
    telling.await.unwrap();
}
