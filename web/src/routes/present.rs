//! From what the database holds to what a page shows.

use std::collections::{BTreeMap, HashMap};

use shared::db::images::{self, Image, ImageStatus};
use shared::db::posts::Post;
use shared::db::{comments, views};
use shared::events::ViewCount;
use shared::jobs::images::Variant;
use shared::markdown;
use shared::time::Instant;
use uuid::Uuid;

use crate::error::Result;
use crate::state::AppState;
use crate::views::When;
use crate::views::blog::{self, Picture, PictureSource, PostSummary};

/// Words that are read in a minute.
const PACE: u32 = 230;

/// A moment as pages write it.
#[must_use]
pub fn when(at: Instant) -> When {
    When::from_millis(at.millis())
}

/// A count as pages show it.
#[must_use]
pub fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Readers as pages show them.
#[must_use]
pub fn readers(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Minutes to read so many words, at least one.
#[must_use]
pub fn reading_minutes(words: u32) -> u32 {
    words.div_ceil(PACE).max(1)
}

/// The date that a post shows.
#[must_use]
pub fn date(post: &Post) -> Instant {
    post.published_at.or(post.publish_at).unwrap_or(post.created_at)
}

/// Posts as lists show them, with counters, readers and pictures.
///
/// # Errors
/// When the database fails.
pub async fn summaries(state: &AppState, posts: Vec<Post>) -> Result<Vec<PostSummary>> {
    let slugs = posts.iter().map(|post| post.slug.clone()).collect();
    let counts = views::of_posts(&state.data, slugs).await?;
    let comments = comments::counts(&state.data).await?;
    let first = |post: &Post| markdown::image_ids(&post.html).first().copied();
    let pictures = images::get_all(&state.data, posts.iter().filter_map(first).collect()).await?;
    let summary = |post: Post| {
        let picture = first(&post).and_then(|id| pictures.get(&id)).and_then(picture);
        PostSummary {
            published: when(date(&post)),
            reading_minutes: reading_minutes(post.words),
            views: count(counts.get(&post.slug).copied().unwrap_or_default().views),
            readers: readers(state.hub.readers_of(&post.slug)),
            comments: count(comments.get(&post.slug).copied().unwrap_or(0)),
            picture,
            slug: post.slug,
            title: post.title,
            excerpt: post.excerpt,
            tags: post.tags,
        }
    };
    Ok(posts.into_iter().map(summary).collect())
}

/// A picture in all its formats; none while it is not ready.
#[must_use]
pub fn picture(image: &Image) -> Option<Picture> {
    let mut formats: BTreeMap<&str, Vec<&Variant>> = BTreeMap::new();
    for variant in image.variants.iter().filter(|variant| !image.is_cover(variant)) {
        formats.entry(&variant.media_type).or_default().push(variant);
    }
    let plain = formats.get("image/jpeg").or_else(|| formats.values().next())?;
    let src = format!("/media/{}", plain.last()?.key);
    // WebP sorts after JPEG and PNG, and is the better one.
    let sources = formats.iter().rev().map(|(media_type, variants)| PictureSource {
        media_type: (*media_type).to_owned(),
        srcset: srcset(variants),
    });
    Some(Picture {
        sources: sources.collect(),
        src,
        width: image.width?,
        height: image.height?,
        alt: image.alt.clone(),
    })
}

fn srcset(variants: &[&Variant]) -> String {
    let sources: Vec<String> = variants
        .iter()
        .map(|variant| format!("/media/{} {}w", variant.key, variant.width))
        .collect();
    sources.join(", ")
}

/// Path of the smallest variant of an image that is ready.
#[must_use]
pub fn thumbnail(image: &Image) -> Option<String> {
    let ready = image.status == ImageStatus::Ready;
    let smallest = image.variants.iter().min_by_key(|variant| variant.bytes);
    smallest.filter(|_| ready).map(|variant| format!("/media/{}", variant.key))
}

/// A post's HTML with its pictures in it, and the first of them.
///
/// # Errors
/// When the database fails.
pub async fn filled(state: &AppState, html: &str) -> Result<(String, Option<Picture>)> {
    let ids = markdown::image_ids(html);
    let images = images::get_all(&state.data, ids.clone()).await?;
    let first = ids.first().and_then(|id| images.get(id)).and_then(picture);
    Ok((with_images(html, &images), first))
}

/// A post's HTML with these pictures in it.
#[must_use]
pub fn with_images(html: &str, images: &HashMap<Uuid, Image>) -> String {
    markdown::fill_images(html, |id| images.get(&id))
}

/// A post in full.
///
/// # Errors
/// When the database fails.
pub async fn post(state: &AppState, post: Post) -> Result<blog::Post> {
    let counts = views::of_posts(&state.data, vec![post.slug.clone()]).await?;
    let views = counts.get(&post.slug).copied().unwrap_or_default();
    let (html, first) = filled(state, &post.html).await?;
    Ok(shown(state, post, html, views, first))
}

fn shown(
    state: &AppState,
    post: Post,
    html: String,
    views: ViewCount,
    first: Option<Picture>,
) -> blog::Post {
    let changed = post.published_at.is_some_and(|at| post.updated_at > at);
    blog::Post {
        published: post.published_at.map(when),
        updated: changed.then(|| when(post.updated_at)),
        reading_minutes: reading_minutes(post.words),
        views: count(views.views),
        readers: readers(state.hub.readers_of(&post.slug)),
        preview_image: first.map(|picture| picture.src),
        html,
        slug: post.slug,
        title: post.title,
        excerpt: post.excerpt,
        tags: post.tags,
    }
}
