//! Forgets what is old in `data.db`: ended jobs, alerts, backup runs.

use std::time::Duration;

use shared::db::{alerts, backups, done};
use shared::time::Instant;

use crate::Site;
use crate::backup::Error;

const DAY: Duration = Duration::from_secs(86_400);
/// Far longer than a message lives in a stream: until then a redelivery must
/// be known as done.
const JOBS: u32 = 90;
const ALERTS: u32 = 90;
const RUNS: u32 = 400;

pub(super) async fn run(site: &Site) -> Result<(), Error> {
    let before = |days: u32| Instant::now().minus(DAY * days);
    let jobs = done::prune(&site.data, before(JOBS)).await?;
    let alerts = alerts::prune(&site.data, before(ALERTS)).await?;
    let runs = backups::prune(&site.data, before(RUNS)).await?;
    tracing::info!(jobs, alerts, runs, "what is old is forgotten");
    Ok(())
}
