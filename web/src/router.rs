//! Every address of the site, and who answers it.

use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, patch, post};
use axum::{Router, middleware};

use crate::routes::{
    account, admin, backups, blog, comments, feed, images, jobs, media, openapi, posts, queues,
    search, signin, stats, upload,
};
use crate::state::AppState;
use crate::{assets, error, hits, hub, layers};

/// Bytes of a form or a JSON body that says little.
const SMALL: usize = 64 * 1024;
/// Where the API is.
const API: &str = "/api/v1";

type Answers = MethodRouter<AppState>;
type Route = (&'static str, Answers);

/// What visitors read and send.
fn pages() -> Vec<Route> {
    vec![
        ("/", get(blog::home)),
        ("/posts/{slug}", get(blog::post)),
        ("/posts/{slug}/comments", post(comments::send).layer(limit(comments::BODY_MAX))),
        ("/tags/{tag}", get(blog::tag)),
        ("/search", get(search::search)),
        ("/feed.atom", get(feed::feed)),
        ("/sitemap.xml", get(feed::sitemap)),
        ("/robots.txt", get(feed::robots)),
        ("/favicon.ico", get(assets::favicon)),
        ("/ui/{*file}", get(assets::file)),
        ("/media/{*key}", get(media::get).head(media::head)),
        ("/events", get(hub::sse::events)),
        ("/hits", post(hits::route::hit)),
        ("/signin", get(signin::form).post(signin::ask)),
        ("/signin/code", get(signin::code_form).post(signin::enter)),
        ("/signin/link/{token}", get(signin::follow).head(signin::peek)),
        ("/signout", post(account::sign_out)),
        ("/account", get(account::page)),
        ("/account/sessions/{id}/revoke", post(account::revoke)),
    ]
}

/// What the admin sees and does.
fn admin_pages() -> Vec<Route> {
    let editor = || limit(posts::BODY_MAX);
    vec![
        ("/admin", get(admin::dashboard::page)),
        ("/admin/posts", get(admin::posts::page)),
        ("/admin/posts/new", get(admin::posts::new).post(admin::posts::create).layer(editor())),
        (
            "/admin/posts/{slug}/edit",
            get(admin::posts::edit).post(admin::posts::update).layer(editor()),
        ),
        ("/admin/posts/{slug}/delete", get(admin::posts::confirm).post(admin::posts::delete)),
        ("/admin/preview", post(admin::posts::preview).layer(editor())),
        ("/admin/comments", get(admin::comments::page)),
        ("/admin/comments/{id}/approve", post(admin::comments::approve)),
        ("/admin/comments/{id}/reject", post(admin::comments::reject)),
        (
            "/admin/images",
            get(admin::images::page).post(admin::images::create).layer(limit(upload::BODY_MAX)),
        ),
        ("/admin/images/{id}", post(admin::images::set_alt)),
        ("/admin/jobs", get(admin::jobs::page)),
        ("/admin/jobs/retry", post(admin::jobs::retry_all)),
        ("/admin/jobs/{id}", get(admin::jobs::one)),
        ("/admin/jobs/{id}/retry", post(admin::jobs::retry)),
        ("/admin/jobs/{id}/discard", post(admin::jobs::discard)),
        ("/admin/queues/{name}/pause", post(admin::jobs::pause)),
        ("/admin/queues/{name}/resume", post(admin::jobs::resume)),
        ("/admin/backups", get(admin::backups::page)),
        ("/admin/backups/{tier}/run", post(admin::backups::run)),
        ("/admin/alerts", get(admin::alerts::page)),
        ("/admin/settings", get(admin::settings::page).post(admin::settings::save)),
    ]
}

/// What programs call, below `/api/v1`, by method.
fn api() -> Vec<(Method, &'static str, Answers)> {
    let (comment, text) = (limit(comments::BODY_MAX), || limit(posts::BODY_MAX));
    vec![
        (Method::GET, "/openapi.json", get(openapi::document)),
        (Method::GET, "/posts", get(posts::list)),
        (Method::POST, "/posts", post(posts::create).layer(text())),
        (Method::GET, "/posts/{slug}", get(posts::get)),
        (Method::PATCH, "/posts/{slug}", patch(posts::update).layer(text())),
        (Method::DELETE, "/posts/{slug}", delete(posts::delete)),
        (Method::GET, "/posts/{slug}/comments", get(comments::of_post)),
        (Method::POST, "/posts/{slug}/comments", post(comments::send).layer(comment)),
        (Method::GET, "/comments", get(comments::list)),
        (Method::POST, "/comments/{id}/approve", post(comments::approve)),
        (Method::POST, "/comments/{id}/reject", post(comments::reject)),
        (Method::GET, "/images", get(images::list)),
        (Method::POST, "/images", post(images::create).layer(limit(upload::BODY_MAX))),
        (Method::GET, "/images/{id}", get(images::get)),
        (Method::GET, "/stats/totals", get(stats::totals)),
        (Method::GET, "/stats/pages", get(stats::pages)),
        (Method::GET, "/queues", get(queues::list)),
        (Method::POST, "/queues/{name}/pause", post(queues::pause)),
        (Method::POST, "/queues/{name}/resume", post(queues::resume)),
        (Method::GET, "/jobs", get(jobs::list)),
        (Method::POST, "/jobs/retry", post(jobs::retry_all)),
        (Method::GET, "/jobs/{id}", get(jobs::get)),
        (Method::POST, "/jobs/{id}/retry", post(jobs::retry)),
        (Method::POST, "/jobs/{id}/discard", post(jobs::discard)),
        (Method::GET, "/backups", get(backups::list)),
        (Method::POST, "/backups/{tier}/run", post(backups::run)),
    ]
}

fn limit(bytes: usize) -> DefaultBodyLimit {
    DefaultBodyLimit::max(bytes)
}

/// The whole site.
pub fn router(state: AppState) -> Router {
    let mut router = Router::new();
    for (path, answers) in pages().into_iter().chain(admin_pages()) {
        router = router.route(path, answers);
    }
    for (_, path, answers) in api() {
        router = router.route(&format!("{API}{path}"), answers);
    }
    // The last one is the outermost.
    router
        .fallback(async || error::Error::NotFound("page"))
        .layer(limit(SMALL))
        .layer(middleware::from_fn_with_state(state.clone(), layers::same_site))
        .layer(middleware::from_fn(layers::not_modified))
        .layer(middleware::from_fn_with_state(state.clone(), layers::faults))
        .layer(middleware::from_fn_with_state(state.clone(), layers::security))
        .layer(middleware::from_fn_with_state(state.clone(), layers::trace))
        .with_state(state)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_openapi_document_describes_every_call_of_the_api_and_no_other() {
        let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
            let api = path.strip_prefix(API);
            described.extend(
                methods.filter_map(|method| Some((method.to_uppercase(), api?.to_owned()))),
            );
        }
        let routed: BTreeSet<(String, String)> = api()
            .iter()
            .map(|(method, path, _)| (method.to_string(), (*path).to_owned()))
            .collect();
        assert_eq!(described, routed);
    }
}
