//! Follows `deploy/queues.yml`: a change is in force within seconds, a mistake
//! is refused and the settings before it stay.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shared::db::{self, Data, alerts};
use shared::events::AlertLevel;
use shared::queues::Queues;
use shared::shutdown::Shutdown;
use tokio::sync::watch;
use uuid::Uuid;

/// How often the file is read. It is read, not watched: a file that is mounted
/// into a container gives no notice of its changes.
const PERIOD: Duration = Duration::from_secs(1);

/// Reads the file again and again, and passes on what `fits`, until `shutdown`.
pub async fn follow(
    path: PathBuf,
    fits: impl Fn(&Queues) -> Result<(), String>,
    data: Option<Data>,
    settings: watch::Sender<Arc<Queues>>,
    shutdown: Shutdown,
) {
    let mut seen = None;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        let text = tokio::fs::read_to_string(&path).await.ok();
        if text == seen {
            continue;
        }
        seen = text;
        // Read as a whole once more, so that its own error says what is wrong.
        let read = Queues::read(&path).map_err(|error| error.to_string());
        let checked = read.and_then(|queues| match fits(&queues) {
            Ok(()) => Ok(queues),
            Err(problem) => Err(format!("{}: {problem}", path.display())),
        });
        match checked {
            Ok(queues) if queues == **settings.borrow() => {}
            Ok(queues) => {
                tracing::info!(path = %path.display(), "the settings of the queues have changed");
                settings.send_replace(Arc::new(queues));
            }
            Err(problem) => refuse(data.as_ref(), &problem).await,
        }
    }
}

/// Says what is wrong where the operator looks.
async fn refuse(data: Option<&Data>, problem: &str) {
    tracing::error!(problem, "the settings of the queues stay as they were");
    let Some(data) = data else { return };
    let text = format!("the queues stay as they were: {problem}");
    let raise = move |tx: &db::Tx<'_>| alerts::raise(tx, AlertLevel::Errors, &text, Uuid::now_v7());
    if let Err(error) = data.writer().write::<_, db::Error, _>(raise).await {
        tracing::warn!(%error, "the mistake could not be shown to the admin");
    }
}
