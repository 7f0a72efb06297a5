//! Copies to a tier and proves the copy.

use shared::db::backups::Tier;
use shared::shutdown::Shutdown;

use crate::Site;
use crate::backup::{self, Error, Options};

pub(super) async fn run(site: &Site, tier: Tier, shutdown: &Shutdown) -> Result<(), Error> {
    let Site { config, stores, data, .. } = site;
    let run = backup::run(data, config, stores, tier, Options::default(), shutdown).await?;
    run.error.map_or(Ok(()), |error| Err(Error::Recorded(error)))
}
