//! Posts: pages, feeds and the API.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;
use shared::time::Instant;
use uuid::Uuid;

use crate::support::site::Site;
use crate::support::wait::until;

fn slug(name: &str) -> String {
    format!("{name}-{}", Uuid::now_v7().simple())
}

#[tokio::test]
async fn a_published_post_is_on_its_page_the_home_page_its_tag_the_feed_and_the_map() {
    let site = Site::shared();
    let (admin, visitor) = (site.admin(), site.visitor());
    let (slug, tag) = (slug("found"), slug("tag"));
    let post = json!({
        "slug": slug, "title": "A <title> & more", "status": "published", "tags": [tag],
        "markdown": "Hello **bold** text.\n\n```rust\nfn main() {}\n```\n\n<script>alert(1)</script>",
    });
    let made = admin.post_json("/api/v1/posts", &post).await.expect(201).json();
    assert_eq!(made["slug"], slug.as_str());
    let page = visitor.get(&format!("/posts/{slug}")).await.expect(200).text();
    assert!(page.contains("<strong>bold</strong>") && page.contains("hl-"), "{page}");
    assert!(
        !page.contains("<script>alert") && page.contains("A &lt;title&gt; &amp; more")
            || page.contains("A &#60;title&#62; &#38; more"),
        "{page}"
    );
    for path in ["/", &format!("/tags/{tag}"), "/feed.atom", "/sitemap.xml"] {
        let page = visitor.get(path).await.expect(200).text();
        assert!(page.contains(&slug), "{slug} is not on {path}");
    }
}

#[tokio::test]
async fn a_draft_is_for_the_admin_alone() {
    let site = Site::shared();
    let slug = slug("draft");
    let post = json!({"slug": slug, "title": "D", "markdown": "x", "status": "draft"});
    site.admin().post_json("/api/v1/posts", &post).await.expect(201);
    site.visitor().get(&format!("/posts/{slug}")).await.expect(404);
    site.visitor().get(&format!("/api/v1/posts/{slug}")).await.expect(404);
    let home = site.visitor().get("/").await.expect(200).text();
    assert!(!home.contains(&slug));
    site.admin().get(&format!("/api/v1/posts/{slug}")).await.expect(200);
}

#[tokio::test]
async fn a_scheduled_post_becomes_public_at_its_time() {
    let site = Site::shared();
    let slug = slug("scheduled");
    let at = Instant::now().plus(Duration::from_secs(2));
    let post = json!({
        "slug": slug, "title": "S", "markdown": "x", "status": "scheduled", "publish_at": at,
    });
    site.admin().post_json("/api/v1/posts", &post).await.expect(201);
    let visitor = site.visitor();
    let path = format!("/posts/{slug}");
    visitor.get(&path).await.expect(404);
    let limit = Duration::from_secs(15);
    until("published post", limit, || async {
        (visitor.get(&path).await.status == 200).then_some(())
    })
    .await;
    assert!(Instant::now() >= at, "it was public before its time");
}

#[tokio::test]
async fn a_scheduled_post_that_is_published_early_is_of_that_moment() {
    let site = Site::shared();
    let admin = site.admin();
    let (slug, before) = (slug("early"), Instant::now());
    let due = before.plus(Duration::from_secs(86_400));
    let post = json!({
        "slug": slug, "title": "E", "markdown": "x", "status": "scheduled", "publish_at": due,
    });
    admin.post_json("/api/v1/posts", &post).await.expect(201);
    let path = format!("/api/v1/posts/{slug}");
    let change = async |fields| {
        let answer = admin.try_json(Method::PATCH, &path, &fields).await;
        answer.expect("the site answers").expect(200).json()
    };
    let public = change(json!({"status": "published"})).await;
    let at: Instant = serde_json::from_value(public["published_at"].clone()).expect("a moment");
    assert!(at >= before && at <= Instant::now(), "{public}");
    let later = change(json!({"title": "F", "publish_at": due})).await;
    assert_eq!(later["published_at"], public["published_at"]);
}

#[tokio::test]
async fn a_change_of_nothing_is_no_new_version() {
    let site = Site::shared();
    let admin = site.admin();
    let slug = site.post("same").await;
    let path = format!("/api/v1/posts/{slug}");
    let etag = admin.get(&path).await.expect(200).header("etag").to_owned();
    for change in [json!({}), json!({"slug": slug})] {
        let answer = admin.try_json(Method::PATCH, &path, &change).await.unwrap().expect(200);
        assert_eq!(answer.header("etag"), etag, "{change}");
    }
    let unknown = json!({"titel": "T"});
    let answer = admin.try_json(Method::PATCH, &path, &unknown).await.unwrap().expect(422);
    assert_eq!(answer.json()["errors"][0]["field"], "titel");
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_refused_in_plain_words() {
    let site = Site::shared();
    for (query, words) in [
        ("posts?limit=x", "limit: it takes a whole number"),
        ("posts?status=public", "status: it takes one of draft, published, scheduled"),
        ("backups?tier=nope", "tier takes one of"),
    ] {
        let answer = site.admin().get(&format!("/api/v1/{query}")).await.expect(400);
        assert!(answer.text().contains(words), "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_list_does_not_begin_anew_at_a_cursor_that_it_did_not_give() {
    let site = Site::shared();
    for list in ["posts", "comments", "images", "backups"] {
        let answer = site.admin().get(&format!("/api/v1/{list}?after=2")).await.expect(400);
        assert!(answer.text().contains("after takes"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_change_to_an_old_version_is_refused_and_changes_nothing() {
    let site = Site::shared();
    let admin = site.admin();
    let slug = site.post("etag").await;
    let path = format!("/api/v1/posts/{slug}");
    let etag = admin.get(&path).await.expect(200).header("etag").to_owned();
    assert!(!etag.is_empty());
    let change = json!({"title": "First"});
    let with = admin.with("if-match", &etag);
    with.try_json(Method::PATCH, &path, &change).await.unwrap().expect(200);
    let late = json!({"title": "Second"});
    with.try_json(Method::PATCH, &path, &late).await.unwrap().expect(412);
    assert_eq!(admin.get(&path).await.json()["title"], "First");
}

#[tokio::test]
async fn wrong_posts_get_a_problem_that_names_what_is_wrong() {
    let site = Site::shared();
    let admin = site.admin();
    let taken = site.post("taken").await;
    let good = json!({"slug": slug("x"), "title": "T", "markdown": "x", "status": "draft"});
    let with = |name: &str, value: serde_json::Value| {
        let mut post = good.clone();
        post[name] = value;
        post
    };
    for (post, status, word) in [
        (with("slug", json!("Not A Slug")), 422, "slug"),
        (with("slug", json!(taken)), 409, "slug"),
        (with("title", json!("")), 422, "title"),
        (with("status", json!("public")), 400, "status"),
        (with("status", json!("scheduled")), 422, "publish_at"),
        (with("title", json!(5)), 400, "it takes a text"),
        (with("publish_at", json!("soon")), 400, "it takes a moment"),
        (with("titel", json!("T")), 422, "titel"),
    ] {
        let answer = admin.post_json("/api/v1/posts", &post).await.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.text().contains(word), "{word} is not named: {}", answer.text());
    }
    site.visitor().post_json("/api/v1/posts", &good).await.expect(401);
}

#[tokio::test]
async fn unknown_pages_are_404_pages() {
    let site = Site::shared();
    for path in ["/posts/no-such-post", "/nothing/here", "/tags/no-such-tag"] {
        let answer = site.visitor().get(path).await.expect(404);
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        assert!(answer.text().contains("href=\"/\""), "no way home from {path}");
    }
    let problem = site.visitor().get("/api/v1/posts/no-such-post").await.expect(404);
    assert_eq!(problem.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn other_names_of_an_address_lead_to_it() {
    let site = Site::shared();
    let slug = site.post("slash").await;
    for (path, target) in [
        (format!("/posts/{slug}/?reply=1"), format!("/posts/{slug}?reply=1")),
        ("/feed".to_owned(), "/feed.atom".to_owned()),
        ("/rss.xml".to_owned(), "/feed.atom".to_owned()),
    ] {
        let answer = site.visitor().get(&path).await.expect(308);
        assert_eq!(answer.header("location"), target);
    }
    site.visitor().get("//evil.example/").await.expect(404);
    site.visitor().get("/tags").await.expect(200);
}

#[tokio::test]
async fn a_page_is_packed_for_who_takes_it_so() {
    let site = Site::shared();
    let packed = site.visitor().with("accept-encoding", "gzip").get("/").await.expect(200);
    assert_eq!(packed.header("content-encoding"), "gzip");
    let plain = site.visitor().get("/").await.expect(200);
    assert_eq!(plain.header("content-encoding"), "");
    assert!(packed.body.len() < plain.body.len(), "{} bytes", packed.body.len());
}

#[tokio::test]
async fn a_search_finds_words_and_survives_any_text() {
    let site = Site::shared();
    let slug = slug("search");
    let post = json!({
        "slug": slug, "title": "Quicksilver", "markdown": "xylophone", "status": "published",
    });
    site.admin().post_json("/api/v1/posts", &post).await.expect(201);
    for query in ["xylophone", "quicks", "Quicksilver+xylophone"] {
        let page = site.visitor().get(&format!("/search?q={query}")).await.expect(200).text();
        assert!(page.contains(&slug), "{query} does not find it");
    }
    for query in ["", "%22", "a%22%20OR%20*", "%00", "NEAR(%28"] {
        site.visitor().get(&format!("/search?q={query}")).await.expect(200);
    }
}

#[tokio::test]
async fn pages_carry_a_strict_policy_and_no_inline_script_or_style() {
    let site = Site::shared();
    let slug = site.post("policy").await;
    for path in ["/", &format!("/posts/{slug}"), "/signin", "/nothing"] {
        let page = site.visitor().get(path).await;
        let policy = page.header("content-security-policy").to_owned();
        for part in ["object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{part} is missing in {policy:?} of {path}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let text = page.text();
        assert!(!text.contains("style=\"") && !text.contains("<style"), "inline style on {path}");
        assert!(!text.contains(" onclick"), "inline script on {path}");
        for script in text.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(
                tag.contains("src=") || tag.contains("application/"),
                "inline script on {path}"
            );
        }
    }
}
