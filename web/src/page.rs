//! The frame that every page is shown in.

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use sha2::{Digest, Sha256};
use shared::db::settings::{self, Settings};
use shared::db::users::User;
use shared::recipient::Recipient;
use shared::subject::Topic;

use crate::assets;
use crate::auth::MaybeAdmin;
use crate::error::{Error, Fault, Result, told};
use crate::routes::admin::nav;
use crate::state::AppState;
use crate::views::error::{AdminErrorPage, ErrorPage};
use crate::views::{Layout, Notice, Viewer};

/// What a page is shown in. Taking it as an extractor takes the hub's cursor
/// before the handler reads anything: what happens after that moment reaches
/// the page over its live connection.
pub struct Frame {
    state: AppState,
    cursor: String,
    path: String,
    /// Who is signed in.
    pub viewer: Option<User>,
}

impl FromRequestParts<AppState> for Frame {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let cursor = state.hub.cursor();
        let MaybeAdmin(viewer) = MaybeAdmin::from_request_parts(parts, state).await?;
        Ok(Self { state: state.clone(), cursor, path: path_of(&parts.uri), viewer })
    }
}

impl Frame {
    /// The frame, filled.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub async fn layout(&self) -> Result<Layout> {
        let settings = settings::get(&self.state.data).await?;
        let viewer = self.viewer.as_ref();
        Ok(layout(&self.state, settings, self.cursor.clone(), self.path.clone(), viewer))
    }

    /// The frame, filled, with a message.
    ///
    /// # Errors
    /// As [`Frame::layout`].
    pub async fn layout_with(&self, notice: Option<Notice>) -> Result<Layout> {
        Ok(Layout { notice, ..self.layout().await? })
    }

    /// The hub's cursor at the start of the request.
    #[must_use]
    pub fn cursor(&self) -> &str {
        &self.cursor
    }

    /// Whether the admin is looking.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.viewer.is_some()
    }
}

fn path_of(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string)
}

fn layout(
    state: &AppState,
    settings: Settings,
    cursor: String,
    path: String,
    viewer: Option<&User>,
) -> Layout {
    Layout {
        site_title: settings.title,
        site_description: settings.description,
        posting: settings.posting.as_str(),
        site_url: state.config.site().to_owned(),
        path,
        assets_version: assets::version().to_owned(),
        cursor,
        viewer: viewer.map(|user| Viewer {
            topic: Topic::user(&Recipient::User(user.id)).to_string(),
            email: user.email.clone(),
            admin: true,
        }),
        notice: None,
    }
}

/// A page for visitors: browsers keep it and ask whether it is still good.
///
/// # Errors
/// When the template fails.
pub fn public(page: &impl Template) -> Result<Response> {
    let text = page.render()?;
    let etag = etag(text.as_bytes());
    let mut response = Html(text).into_response();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Cookie"));
    Ok(response)
}

/// A page that nobody keeps.
///
/// # Errors
/// When the template fails.
pub fn private(page: &impl Template) -> Result<Response> {
    let mut response = Html(page.render()?).into_response();
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}

/// A document for machines.
///
/// # Errors
/// When the template fails.
pub fn document(page: &impl Template, media_type: &'static str) -> Result<Response> {
    let text = page.render()?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::ETAG, etag(text.as_bytes())),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache")),
    ];
    Ok((headers, text).into_response())
}

/// The weak entity tag of a text.
#[must_use]
pub fn etag(bytes: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(bytes);
    let hex: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("W/\"{hex}\"")).expect("hexadecimal digits are plain text")
}

/// Whether an address is in the admin's panel.
#[must_use]
pub fn is_panel(path: &str) -> bool {
    path == "/admin" || path.starts_with("/admin/")
}

/// The page of a fault. It must work when little else does, so settings that
/// cannot be read are left at their defaults.
pub async fn fault(
    state: &AppState,
    uri: &Uri,
    viewer: Option<User>,
    fault: &Fault,
    request_id: String,
) -> Response {
    let settings = settings::get(&state.data).await.unwrap_or_default();
    let layout = layout(state, settings, String::new(), path_of(uri), viewer.as_ref());
    let (status, title) = (fault.status.as_u16(), fault.title().to_owned());
    let message = told(&fault.detail);
    let page = if viewer.is_some() && is_panel(uri.path()) {
        let nav = nav(state).await.unwrap_or_default();
        private(&AdminErrorPage { layout, nav, status, title, message, request_id })
    } else {
        private(&ErrorPage { layout, status, title, message, request_id })
    };
    page.unwrap_or_else(|_| fault.detail.clone().into_response())
}
