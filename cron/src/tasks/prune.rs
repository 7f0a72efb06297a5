//! Forgets what is old in `data.db`: ended jobs, alerts, backup runs.

use std::time::Duration;

use shared::db::{alerts, backups, jobs as job_rows};
use shared::time::Instant;

use crate::Site;
use crate::backup::Error;

const DAY: Duration = Duration::from_secs(86_400);
/// Far longer than a message lives in a stream: until then a redelivery must
/// be known as done.
const JOBS: u32 = 90;
/// As long as their letters are in the stream DEAD.
const DEAD: u32 = 30;
const ALERTS: u32 = 90;
const RUNS: u32 = 400;

pub(super) async fn run(site: &Site) -> Result<(), Error> {
    let before = |days: u32| Instant::now().minus(DAY * days);
    let jobs = job_rows::prune(&site.data, before(JOBS), before(DEAD)).await?;
    let alerts = alerts::prune(&site.data, before(ALERTS)).await?;
    let runs = backups::prune(&site.data, before(RUNS)).await?;
    tracing::info!(jobs, alerts, runs, "what is old is forgotten");
    Ok(())
}
