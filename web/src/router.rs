//! Every address of the site, and who answers it.

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{MethodRouter, delete, get, patch, post};
use axum::{Extension, Router, middleware};

use crate::extract::BodyMax;
use crate::params::{self, Params};
use crate::routes::{
    account, admin, backups, blog, comments, enqueue, feed, images, jobs, media, moderation,
    offline, openapi, posts, queues, search, signin, sources, stats, upload,
};
use crate::state::AppState;
use crate::{assets, compress, drain, error, hits, hub, layers};

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
        ("/tags", get(blog::tags)),
        ("/tags/{tag}", get(blog::tag)),
        ("/search", get(search::search)),
        ("/feed.atom", get(feed::feed)),
        ("/feed", get(feed::moved)),
        ("/feed.xml", get(feed::moved)),
        ("/rss.xml", get(feed::moved)),
        ("/sitemap.xml", get(feed::sitemap)),
        ("/robots.txt", get(feed::robots)),
        ("/favicon.ico", get(assets::favicon)),
        ("/ui/{*file}", get(assets::file)),
        ("/sw.js", get(assets::service_worker)),
        ("/offline", get(offline::page)),
        ("/media/{*key}", get(media::get).head(media::head)),
        ("/hits", post(hits::route::hit)),
        ("/signin", get(signin::form).post(signin::ask)),
        ("/signin/code", get(signin::code_form).post(signin::enter)),
        ("/signin/link/{token}", get(signin::follow).head(signin::peek)),
        ("/signout", post(account::sign_out)),
        ("/account", get(account::page)),
        ("/account/sessions/{id}/revoke", post(account::revoke)),
        ("/account/tokens/{id}/revoke", post(account::revoke_token)),
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
            "/admin/comments/{id}/delete",
            get(admin::comments::confirm).post(admin::comments::delete),
        ),
        ("/admin/images", uploads(get(admin::images::page).post(admin::images::create))),
        ("/admin/images/{id}", post(admin::images::set_alt)),
        ("/admin/images/{id}/delete", get(admin::images::confirm).post(admin::images::delete)),
        ("/admin/jobs", takes(admin::jobs::PARAMS, get(admin::jobs::page))),
        ("/admin/jobs/retry", get(admin::job_bulk::confirm_retry).post(admin::job_bulk::retry)),
        ("/admin/jobs/cancel", get(admin::job_bulk::confirm_cancel).post(admin::job_bulk::cancel)),
        ("/admin/jobs/{id}", get(admin::job::page)),
        ("/admin/jobs/{id}/retry", post(admin::job::retry)),
        ("/admin/jobs/{id}/discard", post(admin::job::discard)),
        ("/admin/jobs/{id}/cancel", post(admin::job::cancel)),
        ("/admin/queues/{name}/pause", post(admin::jobs::pause)),
        ("/admin/queues/{name}/resume", post(admin::jobs::resume)),
        ("/admin/backups", get(admin::backups::page)),
        ("/admin/backups/{tier}/run", post(admin::backups::run)),
        ("/admin/alerts", get(admin::alerts::page)),
        ("/admin/settings", get(admin::settings::page).post(admin::settings::save)),
    ]
}

/// What programs call, below `/api/v1`, by method, with the parameters of its query.
fn api() -> Vec<(Method, &'static str, Params, Answers)> {
    let (comment, text) = (limit(comments::BODY_MAX), || limit(posts::BODY_MAX));
    vec![
        (Method::GET, "/openapi.json", &[], get(openapi::document)),
        (Method::GET, "/posts", &["status", "tag", "include", "after", "limit"], get(posts::list)),
        (Method::POST, "/posts", &[], post(posts::create).layer(text())),
        (Method::GET, "/posts/{slug}", &["include"], get(posts::get)),
        (Method::PATCH, "/posts/{slug}", &[], patch(posts::update).layer(text())),
        (Method::DELETE, "/posts/{slug}", &[], delete(posts::delete)),
        (Method::GET, "/posts/{slug}/comments", &[], get(comments::of_post)),
        (Method::POST, "/posts/{slug}/comments", &[], post(comments::send).layer(comment)),
        (Method::GET, "/comments", &["status", "after", "limit"], get(moderation::list)),
        (Method::DELETE, "/comments/{id}", &[], delete(moderation::delete)),
        (Method::POST, "/comments/{id}/approve", &[], post(moderation::approve)),
        (Method::POST, "/comments/{id}/reject", &[], post(moderation::reject)),
        (Method::GET, "/images", &["after", "limit"], get(images::list)),
        (Method::POST, "/images", &[], uploads(post(images::create))),
        (Method::GET, "/images/{id}", &[], get(images::get)),
        (Method::DELETE, "/images/{id}", &[], delete(images::delete)),
        (Method::GET, "/stats/totals", &["from"], get(stats::totals)),
        (Method::GET, "/stats/pages", &["from", "limit"], get(stats::pages)),
        (Method::GET, "/periodic", &[], get(queues::periodic)),
        (Method::GET, "/queues", &[], get(queues::list)),
        (Method::POST, "/queues/{name}/pause", &[], post(queues::pause)),
        (Method::POST, "/queues/{name}/resume", &[], post(queues::resume)),
        (Method::GET, "/jobs", &["queue", "kind", "state", "after", "limit"], get(jobs::list)),
        (Method::POST, "/jobs", &[], post(enqueue::create).layer(text())),
        (
            Method::POST,
            "/jobs/bulk",
            &[],
            post(enqueue::create_all).layer(limit(enqueue::BULK_MAX)),
        ),
        (Method::POST, "/jobs/retry", &["queue", "state"], post(jobs::retry_all)),
        (Method::POST, "/jobs/cancel", &["queue", "kind"], post(jobs::cancel_all)),
        (Method::GET, "/jobs/{id}", &[], get(jobs::get)),
        (Method::POST, "/jobs/{id}/retry", &[], post(jobs::retry)),
        (Method::POST, "/jobs/{id}/discard", &[], post(jobs::discard)),
        (Method::POST, "/jobs/{id}/cancel", &[], post(jobs::cancel)),
        (Method::GET, "/sources", &[], get(sources::list)),
        (Method::GET, "/backups", &["tier", "after", "limit"], get(backups::list)),
        (Method::POST, "/backups/{tier}/run", &[], post(backups::run)),
    ]
}

/// Answers that take these parameters and no others.
fn takes(params: Params, answers: Answers) -> Answers {
    answers.layer(middleware::from_fn_with_state(params, params::only))
}

/// The limit on a body, which says of itself what it is.
fn limit(bytes: usize) -> (DefaultBodyLimit, Extension<BodyMax>) {
    (DefaultBodyLimit::max(bytes), Extension(BodyMax(bytes)))
}

/// Answers that take an image, and say so when they do not.
fn uploads(answers: Answers) -> Answers {
    answers.layer(limit(upload::BODY_MAX)).layer(middleware::from_fn(drain::refused))
}

/// An address that is none; with a slash too many at its end it is the one
/// without.
async fn elsewhere(uri: Uri) -> Response {
    match without_slash(uri.path()) {
        Some(path) => {
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            Redirect::permanent(&format!("{path}{query}")).into_response()
        }
        None => error::Error::NotFound("page").into_response(),
    }
}

/// Browsers take an address that begins with two slashes for another host's.
fn without_slash(path: &str) -> Option<&str> {
    let bare = path.strip_suffix('/')?;
    let own = bare.starts_with('/') && !bare[1..].starts_with(['/', '\\']);
    (own && !bare.ends_with('/')).then_some(bare)
}

/// The whole site.
pub fn router(state: AppState) -> Router {
    let mut router = Router::new().route("/events", hub::sse::route(&state.live));
    for (path, answers) in pages().into_iter().chain(admin_pages()) {
        router = router.route(path, answers);
    }
    for (_, path, params, answers) in api() {
        router = router.route(&format!("{API}{path}"), takes(params, answers));
    }
    // The last one is the outermost.
    router
        .fallback(elsewhere)
        .layer(limit(SMALL))
        .layer(middleware::from_fn_with_state(state.clone(), layers::same_site))
        .layer(middleware::from_fn(layers::not_modified))
        .layer(middleware::from_fn_with_state(state.clone(), layers::faults))
        .layer(middleware::from_fn_with_state(state.config.is_https(), layers::security))
        .layer(middleware::from_fn(compress::gzip))
        .layer(middleware::from_fn_with_state(state.metrics.clone(), layers::trace))
        .with_state(state)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn a_slash_at_the_end_leads_to_the_address_without_and_nowhere_else() {
        assert_eq!(without_slash("/posts/a/"), Some("/posts/a"));
        for path in ["/", "/posts/a", "//", "//evil.example/", "/\\evil.example/", "/a//"] {
            assert_eq!(without_slash(path), None, "{path}");
        }
    }

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
            .map(|(method, path, ..)| (method.to_string(), (*path).to_owned()))
            .collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn the_openapi_document_names_the_parameters_that_a_call_takes() {
        let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
        for (method, path, params, _) in api() {
            let call = &document["paths"][format!("{API}{path}")][method.as_str().to_lowercase()];
            let described: BTreeSet<&str> = call["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "query")
                .filter_map(|parameter| parameter["name"].as_str())
                .collect();
            assert_eq!(described, params.iter().copied().collect(), "{method} {path}");
        }
    }
}
