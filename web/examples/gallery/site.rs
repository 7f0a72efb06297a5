//! The pages that visitors see.

use std::error::Error;

use web::views::account::{AccountPage, CodePage, Session, SignInPage, Token};
use web::views::blog::{
    HomePage, Post, PostLink, PostPage, SearchHit, SearchPage, SnippetPart, TagCount, TagPage,
};
use web::views::comments::{Comment, CommentErrors, CommentForm, ReplyTo};
use web::views::error::ErrorPage;
use web::views::feed::{Feed, FeedEntry, Sitemap, SitemapPage};
use web::views::{Layout, Notice, Pager};

use crate::Gallery;
use crate::samples::{admin_layout, ago, layout, pager, posts};

const TEXT: &str = include_str!("post.html");

pub fn write(gallery: &mut Gallery) -> Result<(), Box<dyn Error>> {
    lists(gallery)?;
    reading(gallery)?;
    signing_in(gallery)?;
    machines(gallery)
}

fn lists(gallery: &mut Gallery) -> Result<(), Box<dyn Error>> {
    let tags = [("how it works", 12), ("sqlite", 5), ("nats", 4), ("images", 2), ("backups", 2)];
    let tags = tags.map(|(name, posts)| TagCount { name: name.into(), posts }).into();
    let blogroll = Some(crate::samples::blogroll());
    let home =
        HomePage { layout: layout(), posts: posts(), readers: 12, tags, blogroll, pager: pager() };
    gallery.page("home", &home)?;
    let (posts, pager) = (Vec::new(), Pager::default());
    let (tags, blogroll) = (Vec::new(), None);
    let empty = HomePage { layout: admin_layout(), posts, readers: 1, tags, blogroll, pager };
    gallery.page("home-empty", &empty)?;
    let tag = TagPage {
        layout: layout(),
        tag: "sqlite".into(),
        total: 5,
        posts: crate::samples::posts(),
        pager: Pager::default(),
    };
    gallery.page("tag", &tag)?;
    gallery.page("search", &search("outbox", hits()))?;
    gallery.page("search-none", &search("<b>perpetuum mobile</b>", Vec::new()))
}

fn search(query: &str, hits: Vec<SearchHit>) -> SearchPage {
    SearchPage { layout: layout(), query: query.into(), hits, pager: Pager::default() }
}

fn hits() -> Vec<SearchHit> {
    let part = |text: &str, hit| SnippetPart { text: text.into(), hit };
    let found = |post: &web::views::blog::PostSummary| SearchHit {
        slug: post.slug.clone(),
        title: post.title.clone(),
        published: post.published,
        snippet: vec![
            part("… is written to the ", false),
            part("outbox", true),
            part(" in the same transaction, and the relay sends it when it can …", false),
        ],
    };
    posts().iter().map(found).collect()
}

fn reading(gallery: &mut Gallery) -> Result<(), Box<dyn Error>> {
    gallery.page("post", &post_page(layout(), form()))?;
    let notice = Notice::good("Thank you. Your comment is held for moderation.");
    let held = Layout { notice: Some(notice), ..layout() };
    gallery.page("post-held", &post_page(held, form()))?;
    gallery.page("post-refused", &post_page(layout(), refused()))?;
    let quiet = PostPage { comments: Vec::new(), comment_count: 0, ..post_page(layout(), form()) };
    gallery.page("post-quiet", &quiet)?;
    let lost = ErrorPage {
        layout: layout(),
        status: 404,
        title: "This page is not here".into(),
        message: "The address may be mistyped, or the post was taken down.".into(),
        request_id: "0198f3a1-7c11-7d3e-b0a4-2f9a1c6a8e55".into(),
    };
    gallery.page("error", &lost)
}

fn post_page(layout: Layout, form: CommentForm) -> PostPage {
    let link = |slug: &str, title: &str| Some(PostLink { slug: slug.into(), title: title.into() });
    PostPage {
        layout,
        post: sample_post(),
        comments: comments(),
        comment_count: 5,
        form,
        older: link("exactly-once", "Exactly once is a table with two columns"),
        newer: link("the-live-hub", "Ten thousand visitors, one subscription"),
    }
}

pub fn sample_post() -> Post {
    Post {
        slug: "the-outbox".into(),
        title: "The outbox: a promise kept in one transaction".into(),
        excerpt: "A change and the job it causes are written together or not at all.".into(),
        html: TEXT.into(),
        published: Some(ago(86_400)),
        updated: Some(ago(3600)),
        tags: vec!["how it works".into(), "sqlite".into(), "nats".into()],
        reading_minutes: 6,
        views: 1284,
        readers: 3,
        preview_image: Some("/media/0.svg".into()),
    }
}

fn comment(n: i64, author: &str, html: &str, replies: Vec<Comment>) -> Comment {
    Comment {
        id: format!("0198f3a{n}"),
        author: author.into(),
        html: html.into(),
        created: ago(7200 - n * 600),
        by_admin: author == "Ada",
        status: "approved".into(),
        post_href: "/posts/the-outbox".into(),
        replies,
    }
}

fn comments() -> Vec<Comment> {
    let deepest =
        comment(4, "Noor", "<p>That one index is what I was missing. Thanks!</p>", Vec::new());
    let answer = comment(
        3,
        "Ada",
        "<p>It is kept until the relay has its ack. Rows are deleted in batches:</p><pre><code>DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE sent ORDER BY id LIMIT 500)</code></pre>",
        vec![deepest],
    );
    vec![
        comment(
            1,
            "Jonas Weidmann",
            "<p>How long does a row stay in the outbox if NATS is away for an <em>hour</em>?</p>",
            vec![answer],
        ),
        comment(
            5,
            "someone-with-a-rather-long-name-without-any-space-in-it",
            "<p>We did the same with Postgres and <code>LISTEN</code>. <a href=\"https://example.org\">Wrote about it here</a>.</p><blockquote><p>Written together or not at all</p></blockquote><p>Exactly.</p>",
            Vec::new(),
        ),
        comment(6, "Mai", "<p>Lovely and short.</p>", Vec::new()),
    ]
}

fn form() -> CommentForm {
    CommentForm {
        action: "/posts/the-outbox/comments".into(),
        key: "0198f3a1-0000".into(),
        author_max: 80,
        body_max: 8000,
        ..CommentForm::default()
    }
}

fn refused() -> CommentForm {
    let errors = CommentErrors {
        author: Some("A name is needed.".into()),
        email: Some("This is no email address.".into()),
        body: Some("A comment has at most 8000 characters; this one has 8312.".into()),
        form: Some("The comment was not accepted. Your text is still here.".into()),
    };
    let parent = Some(ReplyTo { id: "0198f3a1".into(), author: "Jonas Weidmann".into() });
    let (body, email) = ("An hour is *nothing* …".into(), "jonas@".into());
    CommentForm { parent, errors, body, email, ..form() }
}

fn signing_in(gallery: &mut Gallery) -> Result<(), Box<dyn Error>> {
    let (email, error) = ("ada@hearth.example".to_owned(), None);
    let signin = SignInPage { layout: layout(), email: email.clone(), error };
    gallery.page("signin", &signin)?;
    let code = |error: Option<&str>| CodePage {
        layout: layout(),
        email: email.clone(),
        error: error.map(Into::into),
        minutes: 10,
        digits: 8,
    };
    gallery.page("signin-code", &code(Some("That is not the code. 4 tries are left.")))?;
    let session = |id: &str, browser: &str, current| Session {
        id: id.into(),
        browser: browser.into(),
        created: ago(900_000),
        used: ago(if current { 1 } else { 90_000 }),
        expires: ago(-1_700_000),
        current,
    };
    let sessions = vec![
        session("1", "Firefox on Linux", true),
        session("2", "Safari on iPhone", false),
        session("3", "Chromium on Debian", false),
    ];
    let token = |id: &str, name: &str, watch: Option<&str>| Token {
        id: id.into(),
        name: name.into(),
        watch: watch.map(Into::into),
        created: ago(400_000),
        expires: watch.map(|_| ago(-2_000_000)),
        over: false,
    };
    let tokens = vec![
        token("1f3c5a79b2d4", "backup-script", None),
        token("7a90c1d2e3f4", "kiosk", Some("comments.* metrics.views")),
    ];
    gallery.page("account", &AccountPage { layout: admin_layout(), sessions, tokens })
}

fn machines(gallery: &mut Gallery) -> Result<(), Box<dyn Error>> {
    let base = layout();
    let entry = |post: web::views::blog::PostSummary| FeedEntry {
        slug: post.slug,
        title: post.title,
        excerpt: post.excerpt,
        html: TEXT.into(),
        published: post.published,
        updated: post.published,
        tags: post.tags,
    };
    let feed = Feed {
        site_title: base.site_title,
        site_description: base.site_description,
        site_url: base.site_url.clone(),
        updated: ago(3600),
        entries: posts().into_iter().map(entry).collect(),
    };
    gallery.page("feed.atom", &feed)?;
    let page = |post: web::views::blog::PostSummary| SitemapPage {
        address: format!("{}{}", base.site_url, post.href()),
        updated: Some(post.published),
    };
    gallery.page("sitemap.xml", &Sitemap { pages: posts().into_iter().map(page).collect() })
}
