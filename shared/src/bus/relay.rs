//! The relay: sends what the outbox holds, one a process.
//!
//! Each commit that filled the outbox wakes it and hands it the rows. It reads
//! the outbox itself by a timer: for scheduled messages, for those that NATS did
//! not take, for those that a process that is gone left behind, and when more
//! was committed than is handed over. A row is deleted after its message is
//! stored; a crash between the two sends it again, and the stream knows its id,
//! or the worker its job.
//!
//! Jobs, events and dead letters go their own ways: a full JOBS stream holds up
//! no event. A lane that failed rests for a moment; the others go on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::pack::{self, Parcel};
use super::queued::Queued;
use super::{Bus, Message, PublishError};
use crate::db::outbox::{self, Due, Lane};
use crate::db::{self, Data, Presence};
use crate::shutdown::Shutdown;
use crate::time;

/// How many rows of a lane are read and sent at once.
const PAGE: usize = 2000;
/// The longest a due message waits when nobody wakes the relay.
const TICK: Duration = Duration::from_millis(250);
/// How often it is looked for what others left behind.
const ADOPT_EVERY: Duration = Duration::from_secs(1);
/// The pause after a failure: of a lane, or of all when it was not a lane's.
const PAUSE: Duration = Duration::from_secs(1);
/// A message that was refused alone is tried again after this.
const POSTPONED_FOR: Duration = Duration::from_secs(10);

/// Why a round did not send everything that was due.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The outbox could not be read or emptied.
    #[error("the outbox cannot be used")]
    Outbox(#[from] db::Error),
    /// It cannot be told which other relays are there.
    #[error("the directory relays/ of the database cannot be used")]
    Presence(#[from] std::io::Error),
    /// NATS did not take the messages.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// There is no connection, so nothing was tried.
    #[error("NATS is away: {0}")]
    Away(String),
}

/// Relays until `shutdown`, then once more, so that what this process has
/// committed does not wait for another one to find it.
pub async fn run(data: Data, bus: Bus, shutdown: Shutdown) {
    let mut relay = Relay::new(data.clone(), bus);
    loop {
        let pause = match relay.round().await {
            Ok(()) => TICK,
            Err(error) => {
                report(&error);
                if matches!(error, RelayError::Publish(_)) { TICK } else { PAUSE }
            }
        };
        let wait = async {
            if pause == TICK {
                let _timer = tokio::time::timeout(TICK, data.fresh().filled()).await;
            } else {
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = wait => {}
        }
    }
    if let Err(error) = relay.finish().await {
        report(&error);
    }
}

fn report(error: &RelayError) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(%error, source, "the outbox waits");
}

/// Sends what this process has to send.
pub struct Relay {
    data: Data,
    bus: Bus,
    /// Up to where each lane has been sent, when the outbox was last read.
    after: [i64; 3],
    /// When that was; none when a row may have been left.
    read: Option<Instant>,
    /// Until when each lane rests, after it failed.
    rests: [Option<Instant>; 3],
    /// What those who follow a queue are told.
    queued: Queued,
    sent: Arc<Mutex<Sent>>,
    presence: Option<Presence>,
    adopted: Option<Instant>,
}

/// Rows that are stored by their stream and not deleted yet.
#[derive(Default)]
struct Sent {
    seqs: HashSet<i64>,
    /// Those whose deletion is to be asked for, once more after a failure.
    to_forget: Vec<i64>,
}

impl Relay {
    /// Of a process.
    #[must_use]
    pub fn new(data: Data, bus: Bus) -> Self {
        data.fresh().want();
        let (sent, presence, adopted) = (Arc::default(), None, None);
        let (rests, queued) = ([None; 3], Queued::default());
        Self { data, bus, after: [0; 3], read: None, rests, queued, sent, presence, adopted }
    }

    /// Sends everything that is due now.
    ///
    /// # Errors
    /// The first failure of a lane, after the others were served; the rows stay.
    pub async fn round(&mut self) -> Result<(), RelayError> {
        self.bus.ready().map_err(RelayError::Away)?;
        // It stays unset when a row is left.
        let mut read = self.read.take();
        let now = Instant::now();
        self.rests = self.rests.map(|until| until.filter(|until| *until > now));
        match self.data.fresh().take() {
            Some(rows) if read.is_some() => self.send_fresh(rows).await?,
            _ => read = None,
        }
        if read.is_none_or(|read| read.elapsed() >= TICK) {
            read = Some(Instant::now());
            self.adopt().await?;
            while self.send_page().await? {}
        }
        self.read = read.filter(|_| self.rests == [None; 3]);
        self.queued.tell(&self.bus);
        Ok(())
    }

    /// Sends everything that is due, and waits until what was sent is deleted:
    /// the stream knows a message that comes twice for two minutes alone.
    ///
    /// # Errors
    /// As [`Self::round`]; when the rows cannot be deleted.
    pub async fn finish(&mut self) -> Result<(), RelayError> {
        let round = self.round().await;
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner).seqs.clone();
        outbox::forget_now(&self.data, sent.into_iter().collect()).await?;
        round
    }

    /// Notes how the lanes fared; gives the first failure.
    fn after_sending(&mut self, results: [Result<(), RelayError>; 3]) -> Result<(), RelayError> {
        let mut all = Ok(());
        for (rests, result) in self.rests.iter_mut().zip(results) {
            if result.is_err() {
                *rests = Some(Instant::now() + PAUSE);
            }
            all = all.and(result);
        }
        self.forget_sent();
        all
    }

    /// Sends rows of each lane, all at once.
    async fn send_lanes(&self, lanes: [Vec<outbox::Row>; 3]) -> [Result<(), RelayError>; 3] {
        let [jobs, events, dead] = lanes.map(|rows| self.send(rows));
        let (jobs, events, dead) = tokio::join!(jobs, events, dead);
        [jobs, events, dead]
    }

    /// Sends what was just committed.
    async fn send_fresh(&mut self, rows: Vec<outbox::Row>) -> Result<(), RelayError> {
        let mut lanes: [Vec<outbox::Row>; 3] = Default::default();
        for row in rows {
            // What the last reading found is on its way or stored.
            if let Some(lane) = Lane::of(&row.subject)
                && row.seq > self.after[lane as usize]
            {
                lanes[lane as usize].push(row);
            }
        }
        let results = self.send_lanes(lanes).await;
        self.after_sending(results)
    }

    /// Sends a page of each lane; whether there are more.
    async fn send_page(&mut self) -> Result<bool, RelayError> {
        self.forget_sent();
        let asked = Lane::ALL.map(|lane| lane as usize);
        let asked = asked.map(|lane| self.rests[lane].is_none().then_some(self.after[lane]));
        let lanes = outbox::due(&self.data, asked, PAGE).await?;
        let more = lanes.iter().any(|due| due.more);
        let lanes = lanes.map(|due| self.without_sent(due));
        let seen = lanes.each_ref().map(|due| due.seen);
        let results = self.send_lanes(lanes.map(|due| due.rows)).await;
        for (after, (seen, result)) in self.after.iter_mut().zip(seen.into_iter().zip(&results)) {
            if result.is_ok() {
                // A lane that rests has seen nothing.
                *after = seen.max(*after);
            }
        }
        self.after_sending(results).map(|()| more)
    }

    /// Looks now and then for rows of processes that are gone.
    async fn adopt(&mut self) -> Result<(), RelayError> {
        if self.adopted.is_some_and(|last| last.elapsed() < ADOPT_EVERY) {
            return Ok(());
        }
        self.adopted = Some(Instant::now());
        let presence = match self.presence.take() {
            Some(presence) => presence,
            None => self.data.presence()?,
        };
        let living = self.presence.insert(presence).living()?;
        let adopted = outbox::adopt(&self.data, living).await?;
        if adopted > 0 {
            tracing::info!(adopted, "messages of a process that is gone go on");
            self.after = [0; 3];
        }
        Ok(())
    }

    fn without_sent(&self, mut due: Due) -> Due {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        due.rows.retain(|row| !sent.seqs.contains(&row.seq));
        due
    }

    /// Sends rows of one stream. When NATS refuses them as a whole, each is
    /// tried alone, so that one that can never be stored holds up no other.
    async fn send(&self, rows: Vec<outbox::Row>) -> Result<(), RelayError> {
        let parcels = pack::parcels(rows);
        let messages: Vec<Message> = parcels.iter().map(|it| it.message.clone()).collect();
        match self.bus.publish_all(&messages).await {
            Ok(()) => {
                parcels.iter().for_each(|parcel| self.was_stored(parcel));
                Ok(())
            }
            Err(error @ PublishError::Unconfirmed(_)) => Err(error.into()),
            Err(error) if error.is_full() => Err(error.into()),
            Err(_) => self.send_each(parcels).await,
        }
    }

    async fn send_each(&self, parcels: Vec<Parcel>) -> Result<(), RelayError> {
        for parcel in parcels {
            match self.bus.publish(&parcel.message).await {
                Ok(()) => self.was_stored(&parcel),
                Err(PublishError::Unfit(why)) => self.give_up(parcel, why).await?,
                Err(error @ PublishError::Refused { .. }) if !error.is_full() => {
                    tracing::error!(%error, msg_id = parcel.message.msg_id, "a message waits");
                    let due = time::Instant::now().plus(POSTPONED_FOR);
                    outbox::postpone(&self.data, parcel.seqs, due).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Keeps a message that no stream will ever take, where it is seen.
    async fn give_up(&self, parcel: Parcel, why: String) -> Result<(), RelayError> {
        let Parcel { message, seqs } = parcel;
        tracing::error!(why, msg_id = message.msg_id, subject = message.subject, "unfit");
        Ok(db::done::keep_unfit(&self.data, seqs, why).await?)
    }

    fn was_stored(&self, parcel: &Parcel) {
        self.queued.note(&parcel.message);
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.seqs.extend(&parcel.seqs);
        sent.to_forget.extend(&parcel.seqs);
    }

    fn forget_sent(&self) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let seqs = std::mem::take(&mut sent.to_forget);
        drop(sent);
        if seqs.is_empty() {
            return;
        }
        let (of, asked) = (Arc::clone(&self.sent), seqs.clone());
        outbox::forget(&self.data, seqs, move |forgotten| {
            let mut sent = of.lock().unwrap_or_else(PoisonError::into_inner);
            if forgotten {
                asked.iter().for_each(|seq| {
                    sent.seqs.remove(seq);
                });
            } else {
                sent.to_forget.extend(asked);
            }
        });
    }
}
