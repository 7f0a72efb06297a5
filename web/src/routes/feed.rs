//! Documents for machines: the feed, the sitemap, the word to robots.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use shared::db::posts::{self, Filter, Post, PostStatus};
use shared::db::settings;
use shared::time::Instant;

use super::present::{self, when};
use crate::error::Result;
use crate::page;
use crate::state::AppState;
use crate::views::blog::tag_href;
use crate::views::feed::{Feed, FeedEntry, Sitemap, SitemapPage};
use crate::views::path_segment;

/// Posts of the feed.
const ENTRIES: usize = 20;
/// Addresses that a sitemap may hold.
const ADDRESSES: usize = 50_000;

/// `GET /feed.atom`.
///
/// # Errors
/// When the database fails.
pub async fn feed(State(state): State<AppState>) -> Result<Response> {
    let settings = settings::get(&state.data).await?;
    let mut entries = Vec::new();
    for post in published(&state, ENTRIES).await? {
        entries.push(entry(&state, post).await?);
    }
    let updated = entries.iter().map(|entry| entry.updated).max();
    let feed = Feed {
        site_title: settings.title,
        site_description: settings.description,
        site_url: state.config.site().to_owned(),
        updated: updated.unwrap_or_else(|| when(Instant::from_millis(0))),
        entries,
    };
    page::document(&feed, "application/atom+xml; charset=utf-8")
}

async fn entry(state: &AppState, post: Post) -> Result<FeedEntry> {
    let (html, _) = present::filled(state, &post.html).await?;
    Ok(FeedEntry {
        html: absolute(&html, state.config.site()),
        published: when(present::date(&post)),
        updated: when(post.updated_at),
        slug: post.slug,
        title: post.title,
        excerpt: post.excerpt,
        tags: post.tags,
    })
}

/// HTML that is read elsewhere: its addresses name the site.
fn absolute(html: &str, site: &str) -> String {
    html.replace("=\"/", &format!("=\"{site}/")).replace(", /media/", &format!(", {site}/media/"))
}

async fn published(state: &AppState, limit: usize) -> Result<Vec<Post>> {
    let status = Some(PostStatus::Published);
    let filter = Filter { status, limit, ..Filter::default() };
    Ok(posts::list(&state.data, filter).await?.items)
}

/// Where other programs keep a feed, and readers look for it.
pub async fn moved() -> Redirect {
    Redirect::permanent("/feed.atom")
}

/// `GET /sitemap.xml`.
///
/// # Errors
/// When the database fails.
pub async fn sitemap(State(state): State<AppState>) -> Result<Response> {
    let address = |path: &str| format!("{}{path}", state.config.site());
    let posts = published(&state, ADDRESSES).await?;
    let updated = posts.iter().map(|post| when(post.updated_at)).max();
    let mut pages = vec![SitemapPage { address: address("/"), updated }];
    pages.extend(posts.into_iter().map(|post| SitemapPage {
        address: address(&format!("/posts/{}", path_segment(&post.slug))),
        updated: Some(when(post.updated_at)),
    }));
    let tags = posts::tags(&state.data).await?;
    let tag = |name: String| SitemapPage { address: address(&tag_href(&name)), updated: None };
    pages.extend(tags.into_iter().map(|(name, _)| tag(name)));
    pages.truncate(ADDRESSES);
    page::document(&Sitemap { pages }, "application/xml; charset=utf-8")
}

/// `GET /robots.txt`.
pub async fn robots(State(state): State<AppState>) -> Response {
    let text = format!(
        "User-agent: *\nDisallow: /admin\nDisallow: /account\nDisallow: /signin\n\
         Disallow: /search\n\nSitemap: {}/sitemap.xml\n",
        state.config.site()
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::absolute;

    #[test]
    fn a_feed_names_the_site_in_every_address() {
        let html = "<img src=\"/media/a\" srcset=\"/media/a 1w, /media/b 2w\"><a href=\"/x\">";
        assert_eq!(
            absolute(html, "https://me.example"),
            "<img src=\"https://me.example/media/a\" srcset=\"https://me.example/media/a 1w, \
             https://me.example/media/b 2w\"><a href=\"https://me.example/x\">"
        );
    }
}
