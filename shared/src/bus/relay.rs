//! The relay: sends what the outbox holds, one a process.
//!
//! It is woken by each commit that filled the outbox, and by a timer for
//! scheduled messages, for those that NATS did not take, and for those that
//! another process left behind. A row is deleted after its message is stored;
//! a crash between the two sends it again, and the stream knows its id.

use std::time::Duration;

use super::{Bus, Message, PublishError};
use crate::db::outbox::{self, Row};
use crate::db::{self, Data};
use crate::shutdown::Shutdown;

/// How many rows are read and sent at once.
const BATCH: usize = 500;
/// The longest a due message waits when nobody wakes the relay.
const TICK: Duration = Duration::from_millis(250);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a round did not send everything that was due.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The outbox could not be read or emptied.
    #[error("the outbox cannot be used")]
    Outbox(#[from] db::Error),
    /// NATS did not take the messages.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Relays until `shutdown`, then once more, so that what this process has
/// committed does not wait for another one to find it.
pub async fn run(data: Data, bus: Bus, shutdown: Shutdown) {
    let filled = data.outbox_filled();
    loop {
        let pause = match round(&data, &bus).await {
            Ok(()) => TICK,
            Err(error) => {
                report(&error);
                PAUSE
            }
        };
        let wait = async {
            if pause == TICK {
                let _timer = tokio::time::timeout(TICK, filled.notified()).await;
            } else {
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = wait => {}
        }
    }
    if let Err(error) = round(&data, &bus).await {
        report(&error);
    }
}

fn report(error: &RelayError) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(%error, source, "the outbox waits");
}

/// Sends everything that is due now.
///
/// # Errors
/// At the first batch that could not be sent; the rows stay.
pub async fn round(data: &Data, bus: &Bus) -> Result<(), RelayError> {
    loop {
        let rows = outbox::due(data, BATCH).await?;
        let full = rows.len() == BATCH;
        for group in by_stream(rows) {
            send(data, bus, group).await?;
        }
        if !full {
            return Ok(());
        }
    }
}

/// An atomic batch goes to one stream: the first word of the subject names it.
fn by_stream(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut groups: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        let same = |group: &&mut Vec<Row>| stream(&group[0]) == stream(&row);
        match groups.iter_mut().find(same) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

fn stream(row: &Row) -> &str {
    row.subject.split('.').next().unwrap_or_default()
}

/// Sends one group. When NATS refuses it as a whole, each message is tried
/// alone, so that one that can never be stored does not hold up the others.
async fn send(data: &Data, bus: &Bus, group: Vec<Row>) -> Result<(), RelayError> {
    let seqs: Vec<i64> = group.iter().map(|row| row.seq).collect();
    let messages: Vec<Message> = group.into_iter().map(message).collect();
    let stored = match bus.publish_all(&messages).await {
        Ok(()) => seqs,
        Err(PublishError::Refused { .. }) if messages.len() > 1 => {
            send_each(bus, &seqs, &messages).await?
        }
        Err(error) => return Err(error.into()),
    };
    Ok(outbox::forget(data, stored).await?)
}

async fn send_each(
    bus: &Bus,
    seqs: &[i64],
    messages: &[Message],
) -> Result<Vec<i64>, PublishError> {
    let mut stored = Vec::new();
    for (seq, message) in seqs.iter().zip(messages) {
        match bus.publish(message).await {
            Ok(()) => stored.push(*seq),
            Err(error @ PublishError::Refused { .. }) => {
                tracing::error!(%error, msg_id = message.msg_id, subject = message.subject,
                    "a message stays in the outbox");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(stored)
}

fn message(row: Row) -> Message {
    Message { msg_id: row.msg_id, subject: row.subject, body: row.body.into() }
}
