//! `GET /admin/settings`, and saving them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use shared::db::settings::{self, Posting, Settings};

use super::nav;
use crate::auth::Admin;
use crate::error::{Result, told};
use crate::extract::{Form, Query};
use crate::layers::Cause;
use crate::page::{self, Frame};
use crate::state::AppState;
use crate::validate::Checks;
use crate::views::Notice;
use crate::views::admin::settings::SettingsPage;

/// Longest title of the site, in characters.
const TITLE_MAX: usize = 100;
/// Longest description of the site, in characters.
const DESCRIPTION_MAX: usize = 300;

/// What the address says besides.
#[derive(Debug, Deserialize)]
pub struct Asked {
    saved: Option<String>,
}

/// Shows the settings.
///
/// # Errors
/// When the database fails.
pub async fn page(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let notice = asked.saved.map(|_| Notice::good("The settings are saved."));
    let page = filled(&state, &frame, settings::get(&state.data).await?, notice).await?;
    page::private(&page)
}

async fn filled(
    state: &AppState,
    frame: &Frame,
    settings: Settings,
    notice: Option<Notice>,
) -> Result<SettingsPage> {
    Ok(SettingsPage {
        layout: frame.layout_with(notice).await?,
        nav: nav(state).await?,
        title: settings.title,
        description: settings.description,
        title_error: None,
        description_error: None,
        posting: settings.posting.as_str(),
        posting_error: None,
        moderation: state.config.moderation.as_str().to_owned(),
        admin_email: state.config.admin_email.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// What was typed.
#[derive(Debug, Deserialize)]
pub struct Typed {
    #[serde(default)]
    title: String,
    #[serde(default)]
    description: String,
    posting: Option<String>,
}

/// `POST /admin/settings`.
///
/// # Errors
/// When the database fails.
pub async fn save(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Cause(cause): Cause,
    Form(typed): Form<Typed>,
) -> Result<Response> {
    let title = typed.title.trim().to_owned();
    let description = typed.description.replace("\r\n", "\n").trim().to_owned();
    let mut checks = Checks::default();
    checks.line("title", &title, 1, TITLE_MAX);
    checks.text("description", &description, 0, DESCRIPTION_MAX);
    let posting = match typed.posting.as_deref() {
        None => Some(settings::get(&state.data).await?.posting),
        Some(name) => Posting::named(name),
    };
    if posting.is_none() {
        checks.refuse("posting", "it is safe, optimistic or brave");
    }
    let settings = Settings { title, description, posting: posting.unwrap_or_default() };
    if checks.errors().is_empty() {
        settings::put(&state.data, settings, cause).await?;
        return Ok(Redirect::to("/admin/settings?saved").into_response());
    }
    let error = |field: &str| {
        let found = checks.errors().iter().find(|error| error.field == field);
        found.map(|error| told(&error.detail))
    };
    let (title_error, description_error) = (error("title"), error("description"));
    let posting_error = error("posting");
    let page = filled(&state, &frame, settings, None).await?;
    let page = SettingsPage { title_error, description_error, posting_error, ..page };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page::private(&page)?).into_response())
}
