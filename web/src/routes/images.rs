//! Images through the API.

use axum::Json as JsonBody;
use axum::extract::multipart::MultipartRejection;
use axum::extract::{Multipart, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::db::images::{self, Image};

use super::upload::{self, Upload};
use crate::auth::Admin;
use crate::error::{Error, Result};
use crate::extract::{Path, Query, after_id, id, limit};
use crate::layers::Cause;
use crate::state::AppState;

/// Images of one page of the list.
const PAGE: usize = 20;

/// What [`create`] and the admin's form take.
pub type Form = std::result::Result<Multipart, MultipartRejection>;

/// The form, or why the body is none.
///
/// # Errors
/// When it is none.
pub fn form(form: Form) -> Result<Multipart> {
    form.map_err(|_| {
        let takes = "send the image as the field `file` of a multipart form \
                     (Content-Type: multipart/form-data; boundary=…)";
        Error::Unsupported(takes.to_owned())
    })
}

/// `POST /api/v1/images`.
///
/// # Errors
/// When the upload is no image, too large or cut off, or the store is away.
pub async fn create(
    State(state): State<AppState>,
    _: Admin,
    Cause(cause): Cause,
    body: Form,
) -> Result<Response> {
    let mut upload = Upload::default();
    upload::read(&state, form(body)?, &mut upload).await?;
    let id = upload::keep(&state, upload, cause).await?;
    let location = HeaderValue::try_from(format!("/api/v1/images/{id}"));
    let location = location.expect("a UUID is plain text");
    let answer =
        (StatusCode::ACCEPTED, [(header::LOCATION, location)], JsonBody(json!({"id": id})));
    Ok(answer.into_response())
}

/// `GET /api/v1/images/{id}`.
///
/// # Errors
/// When there is no such image.
pub async fn get(
    State(state): State<AppState>,
    _: Admin,
    Path(image): Path<String>,
) -> Result<Response> {
    let found = images::get(&state.data, id(&image, "image")?).await?;
    Ok(JsonBody(shown(&found.ok_or(Error::NotFound("image"))?)).into_response())
}

/// `DELETE /api/v1/images/{id}`. Posts that show it show its description.
///
/// # Errors
/// When there is no such image.
pub async fn delete(
    State(state): State<AppState>,
    _: Admin,
    Path(image): Path<String>,
) -> Result<StatusCode> {
    remove(&state, &image).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes an image.
///
/// # Errors
/// As [`delete`].
pub async fn remove(state: &AppState, image: &str) -> Result<()> {
    match images::delete(&state.data, id(image, "image")?).await? {
        true => Ok(()),
        false => Err(Error::NotFound("image")),
    }
}

/// Where a list goes on.
#[derive(Debug, Deserialize)]
pub struct Asked {
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/images`.
///
/// # Errors
/// When the database fails.
pub async fn list(
    State(state): State<AppState>,
    _: Admin,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let page = images::list(&state.data, after_id(asked.after)?, limit(asked.limit, PAGE)?).await?;
    let items: Vec<Value> = page.items.iter().map(shown).collect();
    Ok(JsonBody(json!({"items": items, "next": page.next})).into_response())
}

/// An image as the API gives it: its variants have addresses.
fn shown(image: &Image) -> Value {
    let variants: Vec<Value> = image
        .variants
        .iter()
        .map(|variant| {
            json!({
                "url": format!("/media/{}", variant.key),
                "width": variant.width,
                "height": variant.height,
                "type": variant.media_type,
                "bytes": variant.bytes,
            })
        })
        .collect();
    let mut body = json!({
        "id": image.id,
        "status": image.status,
        "filename": image.filename,
        "alt": image.alt,
        "width": image.width,
        "height": image.height,
        "bytes": image.bytes,
        "placeholder": image.placeholder,
        "created_at": image.created_at,
        "variants": variants,
    });
    if let Some(error) = &image.error {
        body["error"] = json!(error);
    }
    body
}
