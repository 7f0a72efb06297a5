//! What is to be seen of jobs: each is found and listed, however many there are.

use std::collections::HashSet;

use shared::bus::relay::Relay;
use shared::db::done;
use shared::db::jobs::{Body, Detail, JobState, Only, Replayed, Which};
use shared::jobs::enqueue::{Enqueue, Hold, Priority};
use shared::overview::{self, Asked, Cursor, Error};

use super::*;

async fn page(
    ground: &Ground,
    state: Option<JobState>,
    after: Option<Cursor>,
    limit: usize,
) -> (Vec<Listed>, Option<Cursor>) {
    let asked = Asked { only: Only::default(), state, after, limit };
    let page = overview::list(&ground.data, &ground.bus, asked).await.unwrap();
    assert!(page.items.len() <= limit, "{} items", page.items.len());
    (page.items, page.next.map(|next| next.parse().unwrap()))
}

/// All pages of a list.
async fn listed(ground: &Ground, state: Option<JobState>, limit: usize) -> Vec<Listed> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (items, next) = page(ground, state, after, limit).await;
        all.extend(items);
        match next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// Sends what is due, and waits until the outbox has forgotten it.
async fn relay(ground: &Ground) {
    Relay::new(ground.data.clone(), ground.bus.clone()).round().await.unwrap();
    until("it is forgotten", async || outbox::depth(&ground.data).await.unwrap().due == 0).await;
}

async fn send(ground: &Ground, job: Enqueue<Chore>) -> Uuid {
    let send = move |tx: &Tx<'_>| outbox::enqueue(tx, job);
    ground.data.writer().write::<Uuid, shared::db::Error, _>(send).await.unwrap()
}

async fn find(ground: &Ground, id: &str) -> Detail {
    overview::find(&ground.data, &ground.bus, &ground.queues, id).await.unwrap().unwrap()
}

fn chore(name: &str) -> Enqueue<Chore> {
    Enqueue::new(Chore { name: name.to_owned() }, Uuid::now_v7())
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_due_and_not_sent_are_queued_in_lists_and_counts() {
    let ground = Ground::new().await;
    let sent = send(&ground, chore("sent").priority(Priority::High)).await;
    relay(&ground).await;
    let unsent = send(&ground, chore("unsent")).await;
    let other = Enqueue::of("chores", "other", Uuid::now_v7(), Chore { name: "x".to_owned() });
    let other = send(&ground, other).await;
    let ids: Vec<String> =
        listed(&ground, Some(JobState::Queued), 2).await.into_iter().map(|job| job.id).collect();
    assert_eq!(ids, [unsent, other, sent].map(|id| id.to_string()));
    assert_eq!(listed(&ground, None, 2).await.len(), 3);
    let queues = overview::queues(&ground.data, &ground.bus, &ground.queues).await.unwrap();
    assert_eq!((queues.items[0].depth, queues.items[0].in_flight), (Some(3), Some(0)));
    let counts = overview::counts(&ground.data, &ground.bus, Some("chores")).await.unwrap();
    assert_eq!((counts.stored.unwrap(), counts.unsent, counts.scheduled), ((1, 0), 2, 0));
    let none = overview::counts(&ground.data, &ground.bus, Some("errands")).await.unwrap();
    assert_eq!((none.stored.unwrap(), none.unsent), ((0, 0), 0));
    for (kind, expected) in [("do", vec![unsent, sent]), ("other", vec![other])] {
        let only = Only { queue: None, kind: Some(kind.to_owned()) };
        let asked = Asked { only, state: Some(JobState::Queued), after: None, limit: 10 };
        let found = overview::list(&ground.data, &ground.bus, asked).await.unwrap().items;
        let found: Vec<String> = found.into_iter().map(|job| job.id).collect();
        assert_eq!(found, expected.iter().map(Uuid::to_string).collect::<Vec<_>>(), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_shown_with_how_it_is_run_its_key_and_the_attempts_that_count() {
    let ground = Ground::new().await;
    let tomorrow = shared::time::Instant::now().plus(Duration::from_secs(86_400));
    let job = chore("keyed").priority(Priority::High).cost(3).unique("one", Hold::UntilOver);
    let id = send(&ground, job.at(tomorrow)).await.to_string();
    let detail = find(&ground, &id).await;
    let order = detail.order.as_ref().unwrap();
    assert_eq!((order.priority, order.cost, order.batch), (Priority::High, 3, None));
    assert_eq!(order.payload.as_str(), "{\"name\":\"keyed\"}");
    assert_eq!((detail.max_attempts, detail.job.run_at), (Some(3), Some(tomorrow)));
    let key = detail.unique_key.unwrap();
    assert_eq!((key.key.as_str(), key.holder.as_deref()), ("one", Some(id.as_str())));
    jobs::cancel(&ground.data, id.clone()).await.unwrap();
    let next = send(&ground, chore("next").unique("one", Hold::UntilOver).at(tomorrow)).await;
    let dead = find(&ground, &id).await;
    assert_eq!(dead.unique_key.unwrap().holder, Some(next.to_string()));
    assert!(dead.job.finished.is_some() && dead.job.run_at.is_none());
    let put_off = Chore { name: "put off".to_owned() }.envelope(Uuid::now_v7());
    let again = put_off.clone();
    let snooze = move |tx: &Tx<'_>| done::snooze(tx, "chores", &again, tomorrow);
    ground.data.writer().write::<(), shared::db::Error, _>(snooze).await.unwrap();
    let job = find(&ground, &put_off.id.to_string()).await.job;
    assert_eq!((job.attempt, job.snoozes, job.tries()), (2, 1, 1));
    let last = Envelope { attempt: 2, snoozes: 1, ..put_off.clone() };
    let end = move |tx: &Tx<'_>| done::once(tx, "chores", &last).map(drop);
    ground.data.writer().write::<(), shared::db::Error, _>(end).await.unwrap();
    let job = find(&ground, &put_off.id.to_string()).await.job;
    assert_eq!((job.state, job.snoozes, job.tries()), (JobState::Done, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_is_shown_with_its_bytes_and_without_a_cause() {
    let ground = Ground::new().await;
    let bury = |tx: &Tx<'_>| {
        done::bury_poison(tx, "JOBS.1.1", ("chores", "do"), b"no job", "it is none")?;
        done::bury_poison(tx, "JOBS.2.2", ("chores", "do"), &[0xff, 0], "nor is it")
    };
    ground.data.writer().write::<(), shared::db::Error, _>(bury).await.unwrap();
    let text = find(&ground, "JOBS.1.1").await;
    assert!(text.is_poison() && text.job.cause.is_empty());
    assert_eq!(text.job.reason.as_deref(), Some("it is none"));
    assert_eq!(text.message, Some(Body::Text("no job".to_owned())));
    let bytes = serde_json::to_value(find(&ground, "JOBS.2.2").await).unwrap();
    assert_eq!((&bytes["body_base64"], bytes.get("body")), (&"/wA=".into(), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_behind_thousands_is_found_and_the_list_goes_on_to_the_end() {
    let ground = Ground::new().await;
    let one = |n: usize| {
        let job = Chore { name: n.to_string() }.envelope(Uuid::now_v7());
        message(&job.msg_id(), "do", job.to_json())
    };
    let alone: Vec<Message> = (0..2500).map(one).collect();
    ground.bus.publish_all(&alone).await.unwrap();
    let last = Chore { name: "last".to_owned() }.envelope(Uuid::now_v7());
    ground.bus.publish(&message(&last.msg_id(), "do", last.to_json())).await.unwrap();
    let id = last.id.to_string();
    let found =
        overview::find(&ground.data, &ground.bus, &ground.queues, &id).await.unwrap().unwrap();
    assert_eq!((&found.job.id, found.job.state), (&id, JobState::Queued));
    assert!(found.order.unwrap().payload.as_str().contains("last"));
    let ids: Vec<String> =
        listed(&ground, Some(JobState::Queued), 100).await.into_iter().map(|job| job.id).collect();
    let distinct: HashSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), distinct.len(), ids.last()), (2501, 2501, Some(&id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_cut_packs_and_lists_of_what_is_scheduled_without_a_gap() {
    let ground = Ground::new().await;
    let tomorrow = shared::time::Instant::now().plus(Duration::from_secs(86_400));
    let send = move |tx: &Tx<'_>| {
        for n in 0..230_u32 {
            let chore = || Enqueue::new(Chore { name: n.to_string() }, Uuid::now_v7());
            outbox::enqueue(tx, chore())?;
            // Ten of them share each moment.
            let due = tomorrow.plus(Duration::from_secs(u64::from(n / 10)));
            outbox::enqueue(tx, chore().at(due))?;
        }
        Ok(())
    };
    ground.data.writer().write::<(), shared::db::Error, _>(send).await.unwrap();
    relay(&ground).await;
    for state in [JobState::Queued, JobState::Scheduled] {
        let jobs = listed(&ground, Some(state), 7).await;
        let ids: HashSet<&String> = jobs.iter().map(|job| &job.id).collect();
        assert_eq!((jobs.len(), ids.len()), (230, 230), "{state}");
        assert!(jobs.iter().all(|job| job.state == state));
        assert!(jobs.is_sorted_by_key(|job| job.at), "{state} is out of order");
    }
    assert_eq!(listed(&ground, None, 60).await.len(), 460);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_all_begins_with_what_runs_and_ends_with_what_is_over() {
    let ground = Ground::new().await;
    let mut registry = Registry::default();
    registry
        .effect::<Chore, _>(|job| async move {
            if job.payload.name == "runs" {
                std::future::pending::<()>().await;
            }
            Ok(Outcome::Done)
        })
        .unwrap();
    let working = ground.work(registry);
    let over = ground.order("over").await;
    until("it is done", async || ground.is_done(over).await).await;
    until("it is acknowledged", async || ground.is_idle().await).await;
    let tomorrow = shared::time::Instant::now().plus(Duration::from_secs(86_400));
    let later = Enqueue::new(Chore { name: "later".to_owned() }, Uuid::now_v7()).at(tomorrow);
    let send = move |tx: &Tx<'_>| outbox::enqueue(tx, later);
    let later = ground.data.writer().write::<Uuid, shared::db::Error, _>(send).await.unwrap();
    let runs = ground.order("runs").await;
    let state = async |id: Uuid| {
        let found = overview::find(&ground.data, &ground.bus, &ground.queues, &id.to_string())
            .await
            .unwrap();
        found.unwrap().job.state
    };
    until("it runs", async || state(runs).await == JobState::Running).await;
    assert_eq!((state(later).await, state(over).await), (JobState::Scheduled, JobState::Done));
    let order: Vec<String> = listed(&ground, None, 1).await.into_iter().map(|job| job.id).collect();
    assert_eq!(order, [runs, later, over].map(|id| id.to_string()));
    // It would never end by itself.
    working.runner.abort();
    working.relay.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nats_is_away_no_job_is_said_not_to_be_there() {
    let mut ground = Ground::new().await;
    let working = ground.work(doing(effect));
    let over = ground.order("over").await;
    until("it is done", async || ground.is_done(over).await).await;
    working.stop().await;
    let find = async |ground: &Ground, id: Uuid| {
        overview::find(&ground.data, &ground.bus, &ground.queues, &id.to_string()).await
    };
    let nobody = Uuid::now_v7();
    assert!(find(&ground, nobody).await.unwrap().is_none());
    ground.nats.kill();
    until("NATS is away", async || ground.bus.ready().is_err()).await;
    assert!(matches!(find(&ground, nobody).await, Err(Error::Nats(_))));
    let unsent = ground.order("unsent").await;
    for (id, state) in [(over, JobState::Done), (unsent, JobState::Queued)] {
        assert_eq!(find(&ground, id).await.unwrap().unwrap().job.state, state);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_jobs_that_die_are_one_alert_until_none_of_them_is_left() {
    let ground = Ground::new().await;
    let bury = |tx: &Tx<'_>| {
        for n in 0..100 {
            let job = Chore { name: n.to_string() }.envelope(Uuid::now_v7());
            done::bury(tx, "chores", &job, "it had to be")?;
        }
        let other = Chore { name: "other".to_owned() }.envelope(Uuid::now_v7());
        done::bury(tx, "errands", &other, "it had to be")
    };
    ground.data.writer().write::<(), shared::db::Error, _>(bury).await.unwrap();
    let alerts = async || {
        let all = alerts::list(&ground.data, None, None, 1000).await.unwrap().items;
        all.into_iter().map(|it| (it.times, it.resolved_at.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(alerts().await, [(1, false), (100, false)]);
    let told = "SELECT count(*) FROM outbox WHERE subject LIKE 'events.alerts.%'";
    let told = ground.data.readers().read(move |conn| {
        Ok::<i64, shared::db::Error>(conn.query_row(told, [], |row| row.get(0))?)
    });
    assert_eq!(told.await.unwrap(), 8, "the 1st, 2nd, 4th to 64th chore, and the errand");
    jobs::replay_all(&ground.data, Some("chores".to_owned())).await.unwrap();
    assert_eq!(alerts().await, [(1, false), (100, true)]);
    let left = jobs::list(&ground.data, Which::Dead, None::<String>, None, 10).await.unwrap();
    jobs::discard(&ground.data, left.items[0].id.clone()).await.unwrap();
    assert_eq!(alerts().await, [(1, true), (100, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dead_jobs_are_sent_back_however_many_they_are() {
    let ground = Ground::new().await;
    let bury = |tx: &Tx<'_>| {
        for n in 0..1200_u32 {
            let job = Chore { name: n.to_string() }.envelope(Uuid::now_v7());
            done::bury(tx, "chores", &job, "it had to be")?;
            if n % 600 == 0 {
                let id = format!("poison.{n}");
                done::bury_poison(tx, &id, ("chores", "do"), b"no job", "it is none")?;
            }
        }
        let called_off = Chore { name: "called off".to_owned() }.envelope(Uuid::now_v7());
        done::cancelled(tx, "chores", &called_off)?;
        let other = Chore { name: "other".to_owned() }.envelope(Uuid::now_v7());
        done::bury(tx, "errands", &other, "it had to be")
    };
    ground.data.writer().write::<(), shared::db::Error, _>(bury).await.unwrap();
    let replayed = jobs::replay_all(&ground.data, Some("chores".to_owned())).await.unwrap();
    assert_eq!(replayed, Replayed { retried: 1200, refused: 2, cancelled: 1 });
    let left = jobs::dead_by_queue(&ground.data).await.unwrap();
    assert_eq!(left, [("chores".to_owned(), 3), ("errands".to_owned(), 1)]);
    let waiting = outbox::unsent(&ground.data, "chores".to_owned()).await.unwrap();
    assert_eq!(waiting, 1200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_span_are_read_past_the_first_page_and_no_later_ones() {
    let ground = Ground::new().await;
    let event = |n: usize| {
        let body = Envelope::new("told", 1, Uuid::now_v7(), n).to_json().into();
        Message { msg_id: n.to_string(), subject: "events.blogroll".to_owned(), body }
    };
    let now = shared::time::Instant::now;
    // NATS and this test read the same clock, to the millisecond.
    let tick = async || {
        let moment = now();
        until("the clock goes on", async || now() > moment.plus(Duration::from_millis(1))).await;
    };
    ground.bus.publish(&event(0)).await.unwrap();
    tick().await;
    let from = now();
    ground.bus.publish_all(&(1..=1200).map(event).collect::<Vec<_>>()).await.unwrap();
    let end = now();
    tick().await;
    ground.bus.publish(&event(1201)).await.unwrap();
    let read = async |limit| ground.bus.events_within(from, end, limit).await.unwrap();
    let places: Vec<u64> = read(5000).await.iter().map(|event| event.seq).collect();
    assert_eq!(places, (2..=1201).collect::<Vec<u64>>());
    assert_eq!(read(700).await.len(), 700);
}
