//! The page that browsers show where there is no network and no copy.

use axum::response::Response;

use crate::error::Result;
use crate::page::{self, Frame};
use crate::views::Layout;
use crate::views::error::OfflinePage;

/// `GET /offline`: the same for everybody.
///
/// # Errors
/// When the settings cannot be read.
pub async fn page(frame: Frame) -> Result<Response> {
    let layout = Layout { viewer: None, ..frame.layout().await? };
    page::public(&OfflinePage { layout })
}
