//! Hears what all workers are told at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use shared::bus::control::Control;
use tokio::sync::watch;

use super::Shared;

/// How often the connection is looked at.
const WATCH: Duration = Duration::from_millis(200);

/// Has the crews ask for jobs anew after each new connection to NATS, since
/// pulls of the one before are lost, and when they are told to; cuts off what
/// is cancelled.
pub(super) async fn listen(shared: Arc<Shared>, renewed: watch::Sender<u64>) {
    let statistics = shared.bus.client().statistics();
    let mut connects = statistics.connects.load(Ordering::Relaxed);
    let mut words = loop {
        match shared.bus.controls().await {
            Ok(words) => break Box::pin(words),
            Err(_) => tokio::time::sleep(WATCH).await,
        }
    };
    loop {
        tokio::select! {
            word = words.next() => match word {
                Some(Control::Pull { .. }) => renewed.send_modify(|times| *times += 1),
                Some(Control::Cancel { job }) => shared.running.cancel(job),
                None => return,
            },
            () = tokio::time::sleep(WATCH) => {}
        }
        let now = statistics.connects.load(Ordering::Relaxed);
        if std::mem::replace(&mut connects, now) != now {
            renewed.send_modify(|times| *times += 1);
        }
    }
}
