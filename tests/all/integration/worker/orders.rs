//! How jobs can be ordered: once, later, together, one after the other; and
//! called off.

use shared::bus::control::Control;
use shared::db::batches::Batch;
use shared::db::jobs::Cancelled;
use shared::db::periodic;
use shared::jobs::enqueue::{Enqueue, Hold, Priority};
use shared::overview;
use shared::queues::{Destination, Periodic, Rate, Schedule};

use super::*;

/// What follows a chore.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Next {
    name: String,
}

impl Job for Next {
    const QUEUE: &'static str = "chores";
    const KIND: &'static str = "next";
}

fn chore(name: &str) -> Enqueue<Chore> {
    Enqueue::new(Chore { name: name.to_owned() }, Uuid::now_v7())
}

async fn send(ground: &Ground, job: Enqueue<Chore>) -> Uuid {
    let write = move |tx: &Tx<'_>| outbox::enqueue(tx, job);
    ground.data.writer().write::<Uuid, shared::db::Error, _>(write).await.unwrap()
}

fn with_next(registry: &mut Registry) {
    registry
        .data::<Next>(|tx, job| {
            alerts::raise(tx, AlertLevel::Load, &job.payload.name, job.id)?;
            Ok(Outcome::Done)
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_put_off_comes_again_and_costs_no_attempt() {
    let ground = Ground::new().await;
    let working = ground.work(doing(|tx, job| match job.snoozes {
        0..5 => Ok(Outcome::Snooze(Duration::from_millis(1))),
        _ => effect(tx, job),
    }));
    let id = ground.order("later").await;
    until("it is done", async || ground.is_done(id).await).await;
    assert_eq!(ground.effects("later").await, 1, "its queue gives three attempts");
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_job_holds_a_key_no_other_is_sent() {
    let ground = Ground::new().await;
    let job = || chore("one").unique("key", Hold::UntilOver);
    let first = send(&ground, job()).await;
    assert_eq!(send(&ground, job()).await, first);
    let working = ground.work(doing(effect));
    until("it is done", async || ground.is_done(first).await).await;
    let second = send(&ground, job()).await;
    assert_ne!(second, first);
    until("it is done", async || ground.is_done(second).await).await;
    let day = Duration::from_secs(86_400);
    let daily = || chore("daily").unique("daily", Hold::For(day));
    let today = send(&ground, daily()).await;
    until("it is done", async || ground.is_done(today).await).await;
    assert_eq!(send(&ground, daily()).await, today, "the key is held for a day");
    assert_eq!(ground.effects("one").await, 2);
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_batch_comes_once_when_all_of_it_is_done() {
    let ground = Ground::new().await;
    let mut registry = doing(|tx, job| match job.payload.name.as_str() {
        "stubborn" => Ok(Outcome::Discard("it never can".to_owned())),
        _ => effect(tx, job),
    });
    with_next(&mut registry);
    let working = ground.work(registry);
    let begin = |tx: &Tx<'_>| {
        let next = Next { name: "all are done".to_owned() };
        Batch::send(tx, Enqueue::new(next, Uuid::now_v7()), |batch| {
            for n in 0..30 {
                batch.add(tx, chore(&n.to_string()))?;
            }
            batch.add(tx, chore("stubborn"))
        })
    };
    let write = ground.data.writer().write::<Uuid, shared::db::Error, _>(begin);
    let stubborn = write.await.unwrap();
    until("thirty are done", async || ground.ended(false).await.len() == 30).await;
    until("one is dead", async || ground.is_dead(stubborn).await).await;
    assert_eq!(ground.effects("all are done").await, 0, "a dead job holds its batch back");
    assert!(jobs::discard(&ground.data, stubborn.to_string()).await.unwrap());
    until("the next one is done", async || ground.effects("all are done").await == 1).await;
    working.stop().await;
}

/// Sends a batch of `jobs` with what follows it.
async fn send_batch(ground: &Ground, then: Enqueue<Next>, jobs: Vec<Enqueue<Chore>>) -> Vec<Uuid> {
    let write = move |tx: &Tx<'_>| {
        Batch::send(tx, then, |batch| jobs.into_iter().map(|job| batch.add(tx, job)).collect())
    };
    ground.data.writer().write::<_, shared::db::Error, _>(write).await.unwrap()
}

fn next(name: &str) -> Enqueue<Next> {
    Enqueue::new(Next { name: name.to_owned() }, Uuid::now_v7())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_batch_is_followed_at_once_and_none_waits_for_the_holder_of_a_key() {
    let ground = Ground::new().await;
    let tomorrow = shared::time::Instant::now().plus(Duration::from_secs(86_400));
    let holder = send(&ground, chore("x").unique("key", Hold::UntilOver).at(tomorrow)).await;
    let mut registry = doing(effect);
    with_next(&mut registry);
    let working = ground.work(registry);
    send_batch(&ground, next("of nothing"), Vec::new()).await;
    let jobs = vec![chore("held").unique("key", Hold::UntilOver), chore("free")];
    let sent = send_batch(&ground, next("of one"), jobs).await;
    assert_eq!(sent[0], holder);
    for name in ["of nothing", "of one"] {
        until("what follows is done", async || ground.effects(name).await == 1).await;
    }
    assert_eq!((ground.effects("free").await, ground.effects("held").await), (1, 0));
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_batch_keeps_its_time_its_key_and_its_priority() {
    let ground = Ground::new().await;
    let tomorrow = shared::time::Instant::now().plus(Duration::from_secs(86_400));
    let then = || {
        let then = next("later").at(tomorrow).priority(Priority::High);
        then.unique("then", Hold::UntilOver)
    };
    send_batch(&ground, then(), Vec::new()).await;
    send_batch(&ground, then(), Vec::new()).await;
    let waiting = outbox::scheduled(&ground.data, jobs::Only::default(), (0, 0), 10).await.unwrap();
    assert_eq!(waiting.len(), 1, "the first holds the key");
    assert_eq!(waiting[0].subject, "jobs.chores.next.high");
    assert_eq!(waiting[0].due.millis(), tomorrow.millis());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_on_when_its_dead_job_is_forgotten() {
    let ground = Ground::new().await;
    let mut registry = doing(|_, _| Ok(Outcome::Discard("it never can".to_owned())));
    with_next(&mut registry);
    let working = ground.work(registry);
    let sent = send_batch(&ground, next("after all"), vec![chore("stubborn")]).await;
    until("it is dead", async || ground.is_dead(sent[0]).await).await;
    let now = shared::time::Instant::now().plus(Duration::from_secs(1));
    let long_ago = shared::time::Instant::from_millis(0);
    jobs::prune(&ground.data, long_ago, now).await.unwrap();
    until("what follows is done", async || ground.effects("after all").await == 1).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_sent_back_takes_its_key_again_and_keeps_its_priority() {
    let ground = Ground::new().await;
    let working = ground.work(doing(|_, _| Ok(Outcome::Discard("it never can".to_owned()))));
    let one = || chore("one").unique("key", Hold::UntilOver).priority(Priority::Low);
    let first = send(&ground, one()).await;
    until("it is dead", async || ground.is_dead(first).await).await;
    working.stop().await;
    let holder = send(&ground, one()).await;
    let held = jobs::replay(&ground.data, first.to_string()).await.unwrap_err();
    assert!(held.to_string().contains(&holder.to_string()), "{held}");
    assert!(ground.is_dead(first).await, "it was lost");
    let working = ground.work(doing(|_, _| Ok(Outcome::Discard("it never can".to_owned()))));
    until("its holder is dead", async || ground.is_dead(holder).await).await;
    working.stop().await;
    let now = jobs::replay(&ground.data, first.to_string()).await.unwrap().unwrap();
    assert_eq!(send(&ground, one()).await, now, "it has its key");
    let row = outbox::find_job(&ground.data, now.to_string()).await.unwrap().unwrap();
    assert_eq!(row.subject, "jobs.chores.do.low");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_keeps_the_priority_that_its_subject_alone_says() {
    let ground = Ground::new().await;
    let working = ground.work(doing(|_, _| Ok(Outcome::Discard("it never can".to_owned()))));
    let job = Chore { name: "low".to_owned() }.envelope(Uuid::now_v7());
    let order =
        Message { subject: "jobs.chores.do.low".to_owned(), ..message("a", "do", job.to_json()) };
    ground.bus.publish(&order).await.unwrap();
    until("it is dead", async || ground.is_dead(job.id).await).await;
    working.stop().await;
    let now = jobs::replay(&ground.data, job.id.to_string()).await.unwrap().unwrap();
    let row = outbox::find_job(&ground.data, now.to_string()).await.unwrap().unwrap();
    assert_eq!(row.subject, "jobs.chores.do.low");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_goes_to_the_next_queue_by_configuration_alone() {
    let mut ground = Ground::new().await;
    let next = Destination::Job { queue: "chores".to_owned(), kind: "next".to_owned() };
    let topic = Destination::Event("blogroll".parse().unwrap());
    ground.queues.queues.get_mut("chores").unwrap().results = vec![next, topic];
    let mut registry = doing(|_, job| {
        Ok(Outcome::Result(serde_json::json!({"name": format!("after {}", job.payload.name)})))
    });
    with_next(&mut registry);
    let working = ground.work(registry);
    ground.order("this").await;
    until("the next one is done", async || ground.effects("after this").await == 1).await;
    let told = async || {
        let events = ground.bus.events_between(0, 1000, &[]).await.unwrap();
        events.iter().any(|event| event.topic.as_str() == "blogroll")
    };
    until("the event is told", told).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_for_its_time_is_called_off_at_once() {
    let ground = Ground::new().await;
    let tomorrow = shared::time::Instant::now().plus(Duration::from_secs(86_400));
    let id = send(&ground, chore("tomorrow").at(tomorrow)).await;
    let cancelled = jobs::cancel(&ground.data, id.to_string()).await.unwrap();
    assert_eq!(cancelled, Cancelled::Now);
    assert!(ground.is_dead(id).await);
    let again = jobs::cancel(&ground.data, id.to_string()).await.unwrap();
    assert_eq!(again, Cancelled::Over);
    let alerts = alerts::list(&ground.data, None, None, 10).await.unwrap();
    assert!(alerts.items.is_empty(), "the admin knows: {:?}", alerts.items);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_is_cut_off_and_one_in_the_stream_never_begins() {
    let ground = Ground::new().await;
    let mut registry = Registry::default();
    let (begun, mut is_begun) = tokio::sync::mpsc::unbounded_channel();
    registry
        .effect::<Chore, _>(move |job| {
            begun.send(job.payload.name).unwrap();
            async {
                std::future::pending::<()>().await;
                Ok(Outcome::Done)
            }
        })
        .unwrap();
    let (runs, waits) = (ground.order("runs").await, ground.order("waits").await);
    let working = ground.work(registry);
    assert_eq!(is_begun.recv().await.unwrap(), "runs");
    for kind in ["job.queued", "job.running"] {
        let told = async || ground.told("chores").await.iter().any(|told| told == kind);
        until(&format!("{kind} is told"), told).await;
    }
    for job in [waits, runs] {
        let told = jobs::cancel(&ground.data, job.to_string()).await.unwrap();
        assert_eq!(told, Cancelled::Told);
        ground.bus.control(&Control::Cancel { job }).await.unwrap();
    }
    for job in [runs, waits] {
        until("it is dead", async || ground.is_dead(job).await).await;
    }
    assert!(is_begun.try_recv().is_err(), "the second one began");
    // As NATS does when an acknowledgement is lost.
    let job = Chore { name: "waits".to_owned() }.envelope(Uuid::now_v7());
    let again = Envelope { id: waits, ..job }.to_json();
    ground.bus.publish(&message("again", "do", again)).await.unwrap();
    until("it is acknowledged", async || ground.is_idle().await).await;
    assert!(!ground.is_done(waits).await, "what was called off was done");
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_jobs_begin_in_a_time_than_the_rate_lets_and_each_key_has_its_own() {
    let mut ground = Ground::new().await;
    let per = Duration::from_millis(1500);
    let rate = Rate { limit: 3, per, by: Some("name".to_owned()) };
    ground.queues.queues.get_mut("chores").unwrap().rate = Some(rate);
    let begun = std::time::Instant::now();
    for name in ["a", "a", "a", "a", "b", "b"] {
        send(&ground, chore(name)).await;
    }
    let working = ground.work(doing(effect));
    until("all are done", async || ground.ended(false).await.len() == 6).await;
    assert!(begun.elapsed() >= Duration::from_millis(500), "the fourth came too early");
    assert_eq!((ground.effects("a").await, ground.effects("b").await), (4, 2));
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_periodic_job_is_sent_once_by_two_workers() {
    let mut ground = Ground::new().await;
    let tick = Periodic {
        queue: "chores".to_owned(),
        kind: "do".to_owned(),
        payload: serde_json::json!({"name": "tick"}),
        schedule: Schedule::Every(Duration::from_secs(86_400)),
        priority: Priority::Normal,
        unique_key: None,
    };
    ground.queues.periodic.insert("tick".to_owned(), tick);
    let working = ground.work(doing(effect));
    let live = working.settings.subscribe();
    let periodic = || worker::periodic::run(ground.data.clone(), live.clone(), Shutdown::new());
    let sending = [tokio::spawn(periodic()), tokio::spawn(periodic())];
    until("it is done", async || ground.effects("tick").await == 1).await;
    ground.order("after").await;
    until("the next one is done", async || ground.effects("after").await == 1).await;
    assert_eq!(ground.effects("tick").await, 1);
    sending.iter().for_each(JoinHandle::abort);
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_periodic_job_whose_time_is_made_shorter_does_not_wait_for_the_old_one() {
    let ground = Ground::new().await;
    let [day, short] = [86_400_000, 50].map(Duration::from_millis).map(Schedule::Every);
    let tick = || "tick".to_owned();
    periodic::send(&ground.data, tick(), day.clone(), chore("tick")).await.unwrap();
    assert!(!periodic::is_due(&ground.data, tick(), &day).await.unwrap());
    let due = async || periodic::is_due(&ground.data, tick(), &short).await.unwrap();
    until("it is due", due).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_periodic_job_with_a_clock_waits_for_its_time_and_is_shown_with_it() {
    let mut ground = Ground::new().await;
    let text = "queues:\n  chores: {role: data, timeout: 1s, attempts: 1, backoff: 1s}\nperiodic:\n  \
                yearly: {queue: chores, kind: do, cron: 0 3 1 1 *, time_zone: Europe/Berlin}\n";
    ground.queues = shared::queues::Queues::parse(text).unwrap();
    let yearly = ground.queues.periodic["yearly"].schedule.clone();
    let name = || "yearly".to_owned();
    assert!(!periodic::is_due(&ground.data, name(), &yearly).await.unwrap(), "its time is to come");
    let view = async || overview::periodic(&ground.data, &ground.queues).await.unwrap().remove(0);
    let due = view().await;
    assert_eq!((due.next, due.last), (yearly.after(shared::time::Instant::now()), None));
    // The time that was missed is made up for once.
    let soon = Schedule::Every(Duration::from_millis(1));
    let is_over = async || periodic::is_due(&ground.data, name(), &soon).await.unwrap();
    until("its time is over", is_over).await;
    assert!(periodic::is_due(&ground.data, name(), &yearly).await.unwrap(), "it was missed");
    let job = chore("yearly");
    let id = job.envelope.id;
    periodic::send(&ground.data, name(), yearly.clone(), job).await.unwrap();
    assert!(!periodic::is_due(&ground.data, name(), &yearly).await.unwrap());
    let sent = view().await;
    assert_eq!((sent.next, sent.last_job), (due.next, Some(id)));
}
