//! What the sample pages have in common.

use web::views::admin::images::ImageCard;
use web::views::admin::{AdminNav, Filter};
use web::views::blog::{Picture, PictureSource, PostSummary};
use web::views::blogroll::BlogrollItem;
use web::views::{Bytes, Layout, Pager, Viewer, When};

/// 21 November 2026, 03:35:30 UTC.
const NOW: i64 = 1_795_232_130_125;

/// The present of the samples, `seconds` ago.
pub fn ago(seconds: i64) -> When {
    When::from_millis(NOW - seconds * 1000)
}

pub fn layout() -> Layout {
    Layout {
        site_title: "Hearth".into(),
        site_description: "How a small site keeps its fire: notes on building Hearth".into(),
        posting: "optimistic",
        site_url: "https://hearth.example".into(),
        path: "/".into(),
        assets_version: "1".into(),
        cursor: "a1b2c3-1041".into(),
        viewer: None,
        notice: None,
    }
}

pub fn admin_layout() -> Layout {
    let topic = "users.0190f8a0-0000-7000-8000-000000000001".into();
    let viewer = Viewer { topic, email: "ada@hearth.example".into(), admin: true };
    Layout { viewer: Some(viewer), ..layout() }
}

pub fn nav() -> AdminNav {
    AdminNav { pending_comments: 3, dead_jobs: 2, open_alerts: 1 }
}

pub fn filter(label: &str, count: Option<u64>, current: bool) -> Filter {
    Filter { label: label.into(), href: "#".into(), count, within: None, current }
}

pub fn pager() -> Pager {
    Pager { newer: Some("/?page=1".into()), older: Some("/?page=3".into()), ..Pager::default() }
}

/// Posts of other sites.
pub fn blogroll() -> Vec<BlogrollItem> {
    let posts = [
        ("The Daily Ember", "What a queue owes you", 3600),
        ("Notes from the lake", "Ice, and how to read it", 86_400),
    ];
    let item = |(site, title, seconds): (&str, &str, i64)| BlogrollItem {
        site: site.into(),
        title: title.into(),
        url: "https://elsewhere.example/post".into(),
        published: ago(seconds),
    };
    posts.map(item).into()
}

/// Landscapes of four hours of the day, drawn.
pub fn pictures() -> Vec<(String, String)> {
    let skies = [
        ("#f6c08a", "#b4532a"),
        ("#9ec3d8", "#3f6d7f"),
        ("#d8b4c8", "#6f4a6b"),
        ("#5f6f9a", "#20263f"),
    ];
    skies
        .iter()
        .enumerate()
        .map(|(n, (sky, hill))| (format!("{n}.svg"), landscape(sky, hill)))
        .collect()
}

fn landscape(sky: &str, hill: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1280 853\" width=\"1280\" height=\"853\">\
         <rect width=\"1280\" height=\"853\" fill=\"{sky}\"/><circle cx=\"930\" cy=\"300\" r=\"95\" fill=\"#fff6e5\"/>\
         <path d=\"M0 560Q320 380 640 540T1280 470V853H0Z\" fill=\"{hill}\" opacity=\".55\"/>\
         <path d=\"M0 680Q260 560 560 660T1280 610V853H0Z\" fill=\"{hill}\"/></svg>"
    )
}

pub fn picture(n: usize, alt: &str) -> Picture {
    let source = PictureSource {
        media_type: "image/svg+xml".into(),
        srcset: format!("/media/{n}.svg 640w, /media/{n}.svg 1280w"),
    };
    Picture {
        sources: vec![source],
        src: format!("/media/{n}.svg"),
        width: 1280,
        height: 853,
        alt: alt.into(),
    }
}

pub fn post(
    slug: &str,
    title: &str,
    excerpt: &str,
    days: i64,
    picture: Option<Picture>,
) -> PostSummary {
    let length = u64::try_from(title.len()).unwrap_or(0);
    PostSummary {
        slug: slug.into(),
        title: title.into(),
        excerpt: excerpt.into(),
        published: ago(days * 86_400),
        tags: vec!["how it works".into(), slug.split('-').next().unwrap_or(slug).into()],
        reading_minutes: 4 + u32::try_from(days % 5).unwrap_or(0),
        views: length * 97,
        readers: if days < 6 { 3 } else { 0 },
        comments: length % 4,
        picture,
    }
}

pub fn posts() -> Vec<PostSummary> {
    vec![
        post(
            "the-outbox",
            "The outbox: a promise kept in one transaction",
            "A change and the job it causes are written together or not at all. What that buys, what it costs, and the one index that makes it cheap.",
            1,
            Some(picture(0, "Hills at dusk")),
        ),
        post(
            "exactly-once",
            "Exactly once is a table with two columns",
            "Messages arrive at least once; effects should happen once. The trick is old, dull and works: write down what you have done beside what it did.",
            4,
            Some(picture(1, "Hills at noon")),
        ),
        post(
            "counting-without-cookies",
            "Counting visitors without knowing them",
            "A salt that is forgotten after two days is the whole idea. The rest is care.",
            9,
            None,
        ),
        post(
            "the-live-hub",
            "Ten thousand visitors, one subscription",
            "Every open page hears of a new comment within a few milliseconds. Here is how the live hub keeps its memory small and its promises whole across deploys.",
            16,
            Some(picture(3, "Hills at night")),
        ),
    ]
}

pub fn image(n: usize, status: &str) -> ImageCard {
    let ready = status == "ready";
    let error =
        (status == "failed").then(|| "The file ends in the middle of the picture.".to_owned());
    ImageCard {
        id: format!("0198f3a1-77{n}"),
        status: status.into(),
        error,
        name: format!("IMG_20261{n}04_ridge-above-the-valley.jpeg"),
        alt: if n == 2 { String::new() } else { "Ridge above the valley".into() },
        created: ago(i64::try_from(n).unwrap_or(0) * 5000),
        thumbnail: ready.then(|| format!("/media/{}.svg", n % 4)),
        width: (status != "failed").then_some(6000),
        height: (status != "failed").then_some(4000),
        bytes: Bytes(8_413_220),
        variants: if ready { 11 } else { 0 },
        markdown: format!("![Ridge above the valley](image:0198f3a1-77{n})"),
    }
}
