//! Sends a poll of each source when its time has come.

use std::sync::Arc;
use std::time::Duration;

use shared::db::{Data, alerts, sources};
use shared::error::chain;
use shared::events::AlertLevel;
use shared::shutdown::Shutdown;
use shared::sources::{BadFile, Sources};
use tokio::sync::watch;

use super::file::SourcesFile;
use crate::runner;

/// How often the clock and the file are looked at.
const TICK: Duration = Duration::from_secs(1);

/// The sources as they are now: what each poll is run by.
pub type Live = watch::Receiver<Arc<Sources>>;

/// Watches the clock, and the file.
pub struct Scheduler {
    file: SourcesFile,
    queues: runner::Live,
    live: watch::Sender<Arc<Sources>>,
    /// Whether the database knows what the file says.
    is_synced: bool,
}

impl Scheduler {
    /// A scheduler of what `file` said when it was opened.
    #[must_use]
    pub fn new((file, sources): &(SourcesFile, Sources), queues: runner::Live) -> Self {
        let (live, _) = watch::channel(Arc::new(sources.clone()));
        Self { file: file.clone(), queues, live, is_synced: false }
    }

    /// The sources as they are now.
    #[must_use]
    pub fn live(&self) -> Live {
        self.live.subscribe()
    }

    /// Works until the shutdown. Several may run at once: the database decides
    /// whose poll it is.
    pub async fn run(mut self, data: Data, shutdown: Shutdown) {
        loop {
            self.tick(&data).await;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    async fn tick(&mut self, data: &Data) {
        let queues = Arc::clone(&self.queues.borrow());
        match self.file.changed(&queues).await {
            Some(Ok(sources)) => self.take(sources),
            Some(Err(error)) => refuse(data, &error).await,
            None => {}
        }
        if !self.is_synced {
            self.is_synced = self.sync(data).await;
        }
        if self.is_synced && !self.live.borrow().sources.is_empty() {
            enqueue(data).await;
        }
    }

    fn take(&mut self, sources: Sources) {
        tracing::info!(sources = sources.sources.len(), "the sources were read anew");
        self.live.send_replace(Arc::new(sources));
        self.is_synced = false;
    }

    async fn sync(&self, data: &Data) -> bool {
        let sources = Sources::clone(&self.live.borrow());
        let synced = sources::sync(data, sources).await;
        if let Err(error) = &synced {
            tracing::warn!(error = chain(error), "the sources wait for the database");
        }
        synced.is_ok()
    }
}

async fn refuse(data: &Data, error: &BadFile) {
    let text =
        format!("the file of sources was refused, what it said before stays in force: {error}");
    tracing::error!("{text}");
    if let Err(error) = alerts::raise_now(data, AlertLevel::Errors, text).await {
        tracing::warn!(error = chain(&error), "the alert could not be kept");
    }
}

async fn enqueue(data: &Data) {
    match sources::enqueue_due(data).await {
        Ok(0) => {}
        Ok(polls) => tracing::debug!(polls, "sources are to be asked"),
        Err(error) => tracing::warn!(error = chain(&error), "no source can be asked"),
    }
}
