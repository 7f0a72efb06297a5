//! Follows `deploy/queues.yml`: a change is in force within seconds, a mistake
//! is refused and the settings before it stay.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shared::bus::Bus;
use shared::db::{Data, alerts, outbox};
use shared::error::chain;
use shared::events::AlertLevel;
use shared::queues::{Queues, last};
use shared::shutdown::Shutdown;
use tokio::sync::watch;

use crate::watched::Watched;

/// How often the file is read.
const PERIOD: Duration = Duration::from_secs(1);

/// The alert of a file that is refused: one, however often it is saved so.
const ALERT: &str = "queues-file";

/// What is asked where a queue is dropped: whether nothing of it is left.
#[derive(Clone)]
pub struct Stores {
    /// NATS.
    pub bus: Bus,
    /// The database, of a role that has it.
    pub data: Option<Data>,
    /// Where the file is kept as it was when it was last without a mistake.
    pub dir: Option<PathBuf>,
}

/// Why the settings stay as they were.
enum Refusal {
    /// The file is at fault.
    Mistake(String),
    /// It is not the file alone: what is wrong may pass, and the file is looked at
    /// again.
    NotNow(String),
}

/// Reads the file again and again, and passes on what `fits`, until `shutdown`.
pub async fn follow(
    path: PathBuf,
    fits: impl Fn(&Queues) -> Result<(), String>,
    stores: Stores,
    settings: watch::Sender<Arc<Queues>>,
    shutdown: Shutdown,
) {
    let text = tokio::fs::read_to_string(&path).await;
    let mut file = Watched::new(path, text);
    // What was read at the start may be older.
    let (mut is_new, mut is_open) = (true, true);
    loop {
        if is_new || is_open {
            let now = Arc::clone(&settings.borrow());
            match read(&file, &fits, &stores, &now).await {
                Ok(queues) => {
                    if queues != *now {
                        let path = file.path().display();
                        tracing::info!(%path, "the settings of the queues have changed");
                        settings.send_replace(Arc::new(queues));
                    }
                    is_open = false;
                    stores.keep(&file);
                    settle(stores.data.as_ref()).await;
                }
                Err(refusal) => {
                    is_open = matches!(refusal, Refusal::NotNow(_));
                    let (Refusal::Mistake(problem) | Refusal::NotNow(problem)) = refusal;
                    if is_new {
                        tell(stores.data.as_ref(), &problem).await;
                    }
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        is_new = file.has_changed().await;
    }
}

async fn read(
    file: &Watched,
    fits: impl Fn(&Queues) -> Result<(), String>,
    stores: &Stores,
    now: &Queues,
) -> Result<Queues, Refusal> {
    let path = file.path();
    let mistake = |problem: &str| Refusal::Mistake(format!("{}: {problem}", path.display()));
    let text = file.text().map_err(mistake)?;
    let queues = Queues::parse(text).map_err(|problem| mistake(&problem))?;
    fits(&queues).map_err(|problem| mistake(&problem))?;
    let dropped = now.queues.keys().filter(|name| !queues.queues.contains_key(*name));
    for name in dropped {
        stores
            .has_none_of(name)
            .await
            .map_err(|problem| Refusal::NotNow(format!("{}: {problem}", path.display())))?;
    }
    Ok(queues)
}

impl Stores {
    fn keep(&self, file: &Watched) {
        if let (Some(dir), Ok(text)) = (&self.dir, file.text())
            && let Err(error) = last::keep(dir, text)
        {
            tracing::warn!(%error, "a restart would not know the settings of the queues");
        }
    }

    /// Jobs of a queue that no file has would lie there and be taken by nobody.
    async fn has_none_of(&self, queue: &str) -> Result<(), String> {
        let unknown = |why: String| {
            format!(
                "the queue {queue} cannot be dropped before it is known that it is empty: {why}"
            )
        };
        let stored = self.bus.jobs_by_queue().await.map_err(|error| unknown(chain(&error)))?;
        let stored = stored.get(queue).copied().unwrap_or(0);
        let unsent = match &self.data {
            Some(data) => outbox::unsent(data, queue.to_owned()).await,
            None => Ok(0),
        };
        match stored + unsent.map_err(|error| unknown(chain(&error)))? {
            0 => Ok(()),
            left => Err(format!(
                "the queue {queue} is gone from the file, but {left} of its jobs are not over; \
                 the change is taken up once they are, or called off"
            )),
        }
    }
}

/// Says what is wrong where the operator looks.
async fn tell(data: Option<&Data>, problem: &str) {
    tracing::error!(problem, "the settings of the queues stay as they were");
    let Some(data) = data else { return };
    let text = format!("the queues stay as they were: {problem}");
    if let Err(error) = alerts::raise_standing(data, ALERT, AlertLevel::Errors, text).await {
        tracing::warn!(error = chain(&error), "the mistake could not be shown to the admin");
    }
}

/// Takes the alert of a mistake back: the file is right.
async fn settle(data: Option<&Data>) {
    let Some(data) = data else { return };
    if let Err(error) = alerts::resolve(data, ALERT).await {
        tracing::warn!(error = chain(&error), "an alert that is over still stands");
    }
}
