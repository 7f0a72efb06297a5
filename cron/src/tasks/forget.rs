//! Forgets what has expired in `ttl.db`: sessions, codes, salts, limits.

use shared::db::ttl;

use crate::Site;
use crate::backup::Error;

pub(super) async fn run(site: &Site) -> Result<(), Error> {
    let rows = ttl::forget_expired(&site.ttl).await?;
    tracing::info!(rows, "what has expired is forgotten");
    Ok(())
}
