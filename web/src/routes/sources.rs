//! What the site asks other sites for: the box on the home page, and the state
//! of each source through the API.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use shared::db::blogroll::{self, Item};
use shared::db::sources;
use shared::sources::is_web;
use url::Url;

use crate::auth::Admin;
use crate::error::Result;
use crate::state::AppState;
use crate::views::When;
use crate::views::blogroll::BlogrollItem;

/// `GET /api/v1/sources`: when each was asked, what it said, and which are left
/// alone.
///
/// # Errors
/// When the database fails.
pub async fn list(State(state): State<AppState>, _: Admin) -> Result<Response> {
    let items = sources::list(&state.data).await?;
    let body = serde_json::json!({"items": items, "next": null});
    Ok(JsonBody(body).into_response())
}

/// The newest posts of other sites; `None` when no feed is configured.
///
/// # Errors
/// When the database fails.
pub async fn blogroll(state: &AppState) -> Result<Option<Vec<BlogrollItem>>> {
    let items = blogroll::newest(&state.data).await?;
    Ok(items.map(|items| items.into_iter().filter(leads_to_the_web).map(shown).collect()))
}

fn leads_to_the_web(item: &Item) -> bool {
    item.url.parse::<Url>().is_ok_and(|url| is_web(&url))
}

fn shown(item: Item) -> BlogrollItem {
    let Item { site, title, url, published_at } = item;
    BlogrollItem { site, title, url, published: When::from_millis(published_at.millis()) }
}
