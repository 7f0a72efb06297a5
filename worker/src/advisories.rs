//! A backstop: what NATS itself gives up on becomes a dead job.
//!
//! The worker's own consumers never give a message up. One whose settings
//! somebody changed may, or a program that is not ours may end a message
//! (`+TERM`); NATS tells of both in an advisory that nothing else keeps.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use shared::bus::Bus;
use shared::bus::queues::Unworked;
use shared::db::done::{self, Stranded};
use shared::db::{self, Data, alerts};
use shared::error::chain;
use shared::events::AlertLevel;
use shared::shutdown::Shutdown;
use shared::subject;

/// The pause before the advisories are asked for once more.
const PAUSE: Duration = Duration::from_secs(1);

/// What an advisory says, as far as it is of use.
#[derive(Debug, Deserialize)]
struct Advisory {
    #[serde(rename = "type")]
    kind: String,
    consumer: String,
    stream_seq: u64,
}

/// Keeps what NATS gives up on, until `shutdown`.
pub async fn run(bus: Bus, data: Data, shutdown: Shutdown) {
    while !shutdown.is_cancelled() {
        let heard = async {
            let given_up = bus.client().subscribe(subject::GIVEN_UP).await.ok()?;
            let terminated = bus.client().subscribe(subject::TERMINATED).await.ok()?;
            let mut both = stream::select(given_up, terminated);
            while let Some(message) = both.next().await {
                if let Ok(advisory) = serde_json::from_slice::<Advisory>(&message.payload) {
                    keep(&bus, &data, &advisory).await;
                }
            }
            Some(())
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = heard => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Keeps the message, or at least says that it is gone.
async fn keep(bus: &Bus, data: &Data, advisory: &Advisory) {
    let Advisory { kind, consumer, stream_seq: seq } = advisory;
    let why = format!("NATS gave it up: {kind} of the consumer {consumer}");
    let kept = match bus.take_job(*seq).await {
        Ok(Some(message)) => {
            let bury = move |tx: &db::Tx<'_>| {
                let Unworked { id, subject, body } = &message;
                done::bury_message(tx, Stranded { id, subject, body }, &why)
            };
            data.writer().write::<_, db::Error, _>(bury).await
        }
        Ok(None) => {
            let text = format!("message {seq} of JOBS is gone without a trace: {why}");
            alerts::raise_now(data, AlertLevel::Errors, text).await
        }
        Err(error) => {
            tracing::error!(%error, seq, why, "what NATS gave up could not be read");
            return;
        }
    };
    if let Err(error) = kept {
        tracing::error!(error = chain(&error), seq, "what NATS gave up could not be kept");
    } else if let Err(error) = bus.drop_job(*seq).await {
        tracing::debug!(%error, seq, "what NATS gave up stays in its stream");
    }
}
