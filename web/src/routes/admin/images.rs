//! `GET /admin/images`, uploading one, and saying what it shows.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use shared::db::images::{self, Image};
use shared::db::posts;
use uuid::Uuid;

use super::super::images::{Form as Multipart, form, remove};
use super::super::present::{thumbnail, when};
use super::super::upload::{self, IMAGE_MAX, Upload};
use super::{address, nav, pager};
use crate::auth::Admin;
use crate::error::{Error, Result, told};
use crate::extract::{Form, Path, Query, after_id, id};
use crate::layers::{Cause, prefers_json};
use crate::page::{self, Frame};
use crate::state::AppState;
use crate::validate::{ALT_MAX, Checks};
use crate::views::Bytes;
use crate::views::admin::images::{ImageCard, ImageDeletePage, ImagesPage};
use crate::views::blog::PostLink;

/// Images of one page.
const PAGE: usize = 24;

/// Where the list goes on.
#[derive(Debug, Deserialize)]
pub struct Asked {
    after: Option<String>,
}

/// Shows the library.
///
/// # Errors
/// When the database fails.
pub async fn page(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    page::private(&library(&state, &frame, asked.after).await?)
}

async fn library(state: &AppState, frame: &Frame, after: Option<String>) -> Result<ImagesPage> {
    let first = after.is_none();
    let found = images::list(&state.data, after_id(after)?, PAGE).await?;
    let base = |after: &str| address("/admin/images", &[("after", after)]);
    Ok(ImagesPage {
        layout: frame.layout().await?,
        nav: nav(state).await?,
        error: None,
        alt: String::new(),
        max_bytes: Bytes(IMAGE_MAX),
        images: found.items.iter().map(card).collect(),
        pager: pager(first, found.next, base),
    })
}

/// An image as the library and the editor show it.
#[must_use]
pub fn card(image: &Image) -> ImageCard {
    ImageCard {
        id: image.id.to_string(),
        status: image.status.as_str().to_owned(),
        error: image.error.clone(),
        name: image.filename.clone(),
        alt: image.alt.clone(),
        created: when(image.created_at),
        thumbnail: thumbnail(image),
        width: image.width,
        height: image.height,
        bytes: Bytes(image.bytes),
        variants: u32::try_from(image.variants.len()).unwrap_or(u32::MAX),
        markdown: markdown(image),
    }
}

/// The Markdown that shows an image.
fn markdown(image: &Image) -> String {
    let alt: String = image.alt.chars().filter(|c| !"[]\\\n\r".contains(*c)).collect();
    format!("![{alt}](image:{})", image.id)
}

/// `POST /admin/images`.
///
/// # Errors
/// When the store is away; what is wrong with the file is shown in the form.
pub async fn create(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Cause(cause): Cause,
    headers: axum::http::HeaderMap,
    body: Multipart,
) -> Result<Response> {
    let mut upload = Upload::default();
    let read = upload::read(&state, form(body)?, &mut upload).await;
    let alt = upload.alt.clone();
    let kept = match read {
        Ok(()) => upload::keep(&state, upload, cause).await,
        Err(error) => Err(error),
    };
    match kept {
        Ok(_) => Ok(Redirect::to("/admin/images").into_response()),
        Err(error) if prefers_json("", &headers) => Err(error),
        Err(error) => refused(&state, &frame, alt, error).await,
    }
}

async fn refused(state: &AppState, frame: &Frame, alt: String, error: Error) -> Result<Response> {
    let problem = match &error {
        Error::Invalid(fields) => fields.iter().map(|field| told(&field.detail)).collect(),
        Error::Unsupported(_) | Error::TooLarge(_) | Error::BadRequest(_) => {
            told(&error.to_string())
        }
        _ => return Err(error),
    };
    let page = library(state, frame, None).await?;
    let page = ImagesPage { error: Some(problem), alt, ..page };
    Ok((error.status(), page::private(&page)?).into_response())
}

/// What an image shows.
#[derive(Debug, Deserialize)]
pub struct Alt {
    #[serde(default)]
    alt: String,
}

/// `POST /admin/images/{id}`.
///
/// # Errors
/// When there is no such image, or the text is too long.
pub async fn set_alt(
    State(state): State<AppState>,
    _: Admin,
    Path(image): Path<String>,
    Form(typed): Form<Alt>,
) -> Result<Response> {
    let image: Uuid = id(&image, "image")?;
    let alt = typed.alt.trim().to_owned();
    let mut checks = Checks::default();
    checks.line("alt", &alt, 0, ALT_MAX);
    checks.finish()?;
    match images::set_alt(&state.data, image, alt).await? {
        true => Ok(Redirect::to(&format!("/admin/images#image-{image}")).into_response()),
        false => Err(Error::NotFound("image")),
    }
}

/// `GET /admin/images/{id}/delete`.
///
/// # Errors
/// When there is no such image.
pub async fn confirm(
    State(state): State<AppState>,
    _: Admin,
    frame: Frame,
    Path(image): Path<String>,
) -> Result<Response> {
    let image = id(&image, "image")?;
    let found = images::get(&state.data, image).await?.ok_or(Error::NotFound("image"))?;
    let link = |(slug, title): (String, String)| PostLink { slug, title };
    let posts = posts::with_image(&state.data, image).await?.into_iter().map(link).collect();
    let (layout, nav) = (frame.layout().await?, nav(&state).await?);
    page::private(&ImageDeletePage { layout, nav, image: card(&found), posts })
}

/// `POST /admin/images/{id}/delete`.
///
/// # Errors
/// When there is no such image.
pub async fn delete(
    State(state): State<AppState>,
    _: Admin,
    Path(image): Path<String>,
) -> Result<Response> {
    remove(&state, &image).await?;
    Ok(Redirect::to("/admin/images").into_response())
}
