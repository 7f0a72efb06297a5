//! Restores the live replica and compares it with the database.

use shared::shutdown::Shutdown;

use crate::Site;
use crate::backup::{Error, drill};

pub(super) async fn run(site: &Site, shutdown: &Shutdown) -> Result<(), Error> {
    drill::live(&site.data, &site.config, shutdown).await.map(|_proof| ())
}
