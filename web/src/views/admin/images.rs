//! The library of images.

use askama::Template;

use super::AdminNav;
use crate::views::blog::PostLink;
use crate::views::{Bytes, Layout, Pager, When};

/// Pixels of a side below which a picture is shown as it is.
const SMALL: u32 = 160;

/// `GET /admin/images`. Topics: `images.<id>` of those not ready. The form posts
/// `multipart/form-data` with `file` and `alt` to `/admin/images`.
#[derive(Debug, Template)]
#[template(path = "admin/images.html")]
pub struct ImagesPage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// Why the last upload was refused.
    pub error: Option<String>,
    /// The alternative text of the refused upload.
    pub alt: String,
    /// Largest upload.
    pub max_bytes: Bytes,
    /// Newest first.
    pub images: Vec<ImageCard>,
    /// Newer and older images.
    pub pager: Pager,
}

/// `GET /admin/images/{id}/delete`; posts to itself.
#[derive(Debug, Template)]
#[template(path = "admin/image_delete.html")]
pub struct ImageDeletePage {
    /// The frame.
    pub layout: Layout,
    /// The navigation's badges.
    pub nav: AdminNav,
    /// The image.
    pub image: ImageCard,
    /// The posts that show it.
    pub posts: Vec<PostLink>,
}

/// One image. Its form posts `alt` to `/admin/images/{id}`.
#[derive(Debug, Clone)]
pub struct ImageCard {
    /// Its id, which Markdown names.
    pub id: String,
    /// `queued`, `ready` or `failed`.
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
    /// The name of the uploaded file.
    pub name: String,
    /// Alternative text.
    pub alt: String,
    /// When it was uploaded.
    pub created: When,
    /// Path of the thumbnail, when ready.
    pub thumbnail: Option<String>,
    /// Width of the original in pixels, when known.
    pub width: Option<u32>,
    /// Height of the original in pixels, when known.
    pub height: Option<u32>,
    /// Size of the original.
    pub bytes: Bytes,
    /// How many variants there are.
    pub variants: u32,
    /// The Markdown that shows it.
    pub markdown: String,
}

impl ImageCard {
    /// Whether it is too small to fill a card sharply.
    #[must_use]
    pub fn is_small(&self) -> bool {
        [self.width, self.height].iter().flatten().any(|pixels| *pixels < SMALL)
    }
}
