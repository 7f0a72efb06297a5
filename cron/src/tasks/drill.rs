//! Restores the live replica and compares it with the database.

use shared::shutdown::Shutdown;

use crate::Site;
use crate::backup::{Error, drill};

pub(super) async fn run(site: &Site, shutdown: &Shutdown) -> Result<(), Error> {
    let run = drill::live(&site.data, &site.config, shutdown).await?;
    run.error.map_or(Ok(()), |error| Err(Error::Recorded(error)))
}
