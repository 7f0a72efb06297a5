//! The pages of the admin panel.

use std::error::Error;

use shared::db::jobs::JobState;
use web::views::admin::alerts::{Alert, AlertsPage};
use web::views::admin::backups::{BackupRun, BackupsPage, Tier};
use web::views::admin::comments::{CommentRow, CommentsPage};
use web::views::admin::dashboard::{DashboardPage, QueueRow, TopPost};
use web::views::admin::images::ImagesPage;
use web::views::admin::jobs::{Attempt, Content, JobPage, JobRow, JobsPage, Key, Run, TraceStep};
use web::views::admin::periodic::PeriodicRow;
use web::views::admin::posts::{
    PostDeletePage, PostErrors, PostForm, PostFormPage, PostRow, PostsPage, PreviewPage,
};
use web::views::admin::settings::SettingsPage;
use web::views::{Bytes, Layout, Notice, Pager, Tone};

use crate::Gallery;
use crate::samples::{admin_layout, ago, filter, image, nav, pager, posts};

const FAULT: &str = "mail.send: SMTP connection refused\n  caused by: tcp connect error: Connection refused (os error 111)";

pub fn write(gallery: &mut Gallery) -> Result<(), Box<dyn Error>> {
    gallery.page("admin-dashboard", &dashboard())?;
    writing(gallery)?;
    gallery.page("admin-comments", &moderation(vec![held(1), held(2), held(3)]))?;
    gallery.page("admin-comments-empty", &moderation(Vec::new()))?;
    gallery.page("admin-images", &library())?;
    gallery.page("admin-jobs", &job_list())?;
    gallery.page("admin-job", &job_detail())?;
    gallery.page("admin-backups", &backups())?;
    gallery.page("admin-alerts", &alert_list())?;
    gallery.page("admin-settings", &settings())
}

fn dashboard() -> DashboardPage {
    let top = posts().into_iter().map(|post| TopPost {
        slug: post.slug,
        title: post.title,
        views: post.views / 10,
        visitors: post.views / 14,
        readers: post.readers,
    });
    DashboardPage {
        layout: admin_layout(),
        nav: nav(),
        views_today: 1284,
        views_all: 88_412,
        visitors_today: 611,
        visitors_all: 30_977,
        readers: 12,
        queues: queues(),
        queues_error: None,
        dead: vec![job("mail.send", JobState::Dead), job("image.variants", JobState::Dead)],
        alerts: alerts(),
        tiers: tiers(),
        top: top.collect(),
    }
}

fn queues() -> Vec<QueueRow> {
    let queue = |name: &str, depth, in_flight, dead, paused| QueueRow {
        name: name.into(),
        listed: name != "letters",
        taken: name != "letters",
        depth,
        in_flight,
        done: depth * 40 + 17,
        dead,
        oldest: (depth > 0).then(|| "4.2 s".into()),
        paused,
    };
    vec![
        queue("comments", 0, 0, 0, false),
        queue("views", 12, 2, 0, false),
        queue("posts", 0, 0, 0, false),
        queue("mail", 1, 0, 1, true),
        queue("images", 3, 1, 1, false),
        queue("image-results", 0, 0, 0, false),
        queue("letters", 2, 0, 0, false),
    ]
}

fn alerts() -> Vec<Alert> {
    let alert = |tone, text: &str, source: &str| Alert {
        tone,
        time: ago(4000),
        times: if tone == Tone::Error { 12 } else { 1 },
        source: source.into(),
        text: text.into(),
        href: Some("/admin/jobs/1".into()),
    };
    vec![
        alert(Tone::Error, "A mail could not be sent in 5 attempts", "worker, queue mail"),
        alert(Tone::Warning, "The weekly backup is an hour late", "cron, tier 1-week"),
    ]
}

fn job(kind: &str, state: JobState) -> JobRow {
    let failed = matches!(state, JobState::Dead | JobState::Scheduled);
    JobRow {
        id: "0198f3a1-7c11-7d3e-b0a4-2f9a1c6a8e55".into(),
        queue: kind.split('.').next().unwrap_or(kind).into(),
        kind: kind.into(),
        state,
        is_cancelled: false,
        tries: if failed { 5 } else { 1 },
        max_attempts: Some(5),
        snoozes: 0,
        created: ago(5000),
        updated: ago(4000),
        due_in: (state == JobState::Scheduled).then(|| "3 min 20 s".into()),
        error: failed.then(|| FAULT.lines().next().unwrap_or_default().into()),
    }
}

fn writing(gallery: &mut Gallery) -> Result<(), Box<dyn Error>> {
    let filters = vec![
        filter("All", Some(14), true),
        filter("Drafts", Some(1), false),
        filter("Scheduled", Some(1), false),
        filter("Published", Some(12), false),
    ];
    let list =
        PostsPage { layout: admin_layout(), nav: nav(), filters, posts: rows(), pager: pager() };
    gallery.page("admin-posts", &list)?;
    gallery.page("admin-post-new", &post_form(None, PostForm::default(), PostErrors::default()))?;
    gallery.page("admin-post-edit", &post_form(Some("the-outbox"), written(), mistakes()))?;
    let preview = PreviewPage { layout: admin_layout(), post: crate::site::sample_post() };
    gallery.page("admin-preview", &preview)?;
    let post = rows().remove(0);
    gallery.page("admin-post-delete", &PostDeletePage { layout: admin_layout(), nav: nav(), post })
}

fn rows() -> Vec<PostRow> {
    let states = ["published", "draft", "scheduled", "published"];
    let rows = posts().into_iter().zip(states).map(|(post, status)| PostRow {
        slug: post.slug,
        title: post.title,
        status: status.into(),
        publish_at: (status != "draft").then_some(post.published),
        updated: ago(86_400),
        views: post.views,
        comments: post.comments,
    });
    rows.collect()
}

fn post_form(slug: Option<&str>, form: PostForm, errors: PostErrors) -> PostFormPage {
    let images = vec![image(1, "ready"), image(2, "ready"), image(3, "ready")];
    let saved_slug = slug.map(Into::into);
    PostFormPage { layout: admin_layout(), nav: nav(), saved_slug, form, errors, images }
}

fn written() -> PostForm {
    PostForm {
        title: "The outbox: a promise kept in one transaction".into(),
        slug: "the-outbox".into(),
        markdown: "When you post a comment, two things must happen …\n\n## Two rows, one commit\n\n```rust\nfn accept() {}\n```\n".into(),
        tags: "how it works, sqlite".into(),
        status: "published".into(),
        publish_at: "2026-11-20T03:35".into(),
        version: "7".into(),
    }
}

fn mistakes() -> PostErrors {
    let slug = Some("Another post has this address already.".into());
    let form = Some("The post was not saved. Your text is still here.".into());
    PostErrors { slug, form, ..PostErrors::default() }
}

fn moderation(comments: Vec<CommentRow>) -> CommentsPage {
    CommentsPage {
        layout: admin_layout(),
        nav: nav(),
        filters: vec![
            filter("Pending", Some(3), true),
            filter("Approved", None, false),
            filter("Rejected", None, false),
        ],
        status: "pending".into(),
        topics: vec!["jobs.comments".into(), "comments.the-outbox".into()],
        comments,
        pager: Pager::default(),
    }
}

fn held(n: i64) -> CommentRow {
    CommentRow {
        id: format!("0198f3a{n}"),
        author: "Best Watches Shop".into(),
        email: (n != 2).then(|| "deals@watches.example".into()),
        html: "<p>Great post! I wrote more about <a href=\"https://example.org\" rel=\"nofollow ugc\">this topic here</a> and <a href=\"https://example.org\">here</a>.</p>".into(),
        status: "pending".into(),
        note: Some("Held: it has two links and its author is new".into()),
        created: ago(n * 900),
        post_slug: "the-outbox".into(),
        post_title: "The outbox: a promise kept in one transaction".into(),
    }
}

fn library() -> ImagesPage {
    let statuses = ["queued", "ready", "ready", "failed", "ready", "ready"];
    let images = statuses.iter().enumerate().map(|(n, status)| image(n, status)).collect();
    ImagesPage {
        layout: admin_layout(),
        nav: nav(),
        error: Some("This file is no picture: its content is PDF.".into()),
        alt: "Ridge above the valley".into(),
        max_bytes: Bytes(25 * 1024 * 1024),
        images,
        pager: Pager::default(),
    }
}

fn job_list() -> JobsPage {
    let states = ["Any state", "queued", "running", "scheduled", "done", "dead"];
    let names = ["Any queue", "comments", "views", "posts", "mail", "images", "image-results"];
    let jobs = [
        ("comment.check", JobState::Queued),
        ("image.variants", JobState::Running),
        ("mail.send", JobState::Scheduled),
        ("views.count", JobState::Done),
        ("mail.send", JobState::Dead),
    ];
    JobsPage {
        layout: admin_layout(),
        nav: nav(),
        queues: names.iter().map(|name| filter(name, None, *name == "Any queue")).collect(),
        states: states.iter().map(|name| filter(name, Some(2), *name == "dead")).collect(),
        queue: String::new(),
        state: Some(JobState::Dead),
        kind: String::new(),
        any_kind: "#".into(),
        topics: vec!["jobs.comments".into()],
        jobs: jobs.into_iter().map(|(kind, state)| job(kind, state)).collect(),
        pager: pager(),
        periodic: vec![PeriodicRow {
            name: "digest".into(),
            queue: "mail".into(),
            schedule: "0 3 * * MON (Europe/Berlin)".into(),
            next: Some(ago(-90)),
            last: Some(ago(9000)),
            last_job: Some("0199c0de-1111-7000-8000-000000000000".into()),
        }],
    }
}

fn job_detail() -> JobPage {
    let attempt = |number| Attempt {
        number,
        time: ago(4500 - i64::from(number) * 100),
        error: Some(FAULT.into()),
    };
    let step = |what: &str, kind: &str, depth, state: Option<&str>| TraceStep {
        id: "0198f3a1-7c11".into(),
        what: what.into(),
        kind: kind.into(),
        time: ago(5000),
        depth,
        state: state.map(Into::into),
        current: kind == "mail.send",
    };
    JobPage {
        layout: admin_layout(),
        nav: nav(),
        job: job("mail.send", JobState::Dead),
        run: Some(Run { priority: "normal", cost: 1, batch: None }),
        key: Some(Key { name: "signin-ada".into(), is_held: false, other: None }),
        cause: Some("0198f3a1-7c11-7d3e-b0a4-2f9a1c6a0001".into()),
        reason: None,
        content: Content::Job {
            payload: "{\n  \"to\": \"ada@hearth.example\",\n  \"template\": \"signin\",\n  \"request\": \"0198f3a1-7c11-7d3e-b0a4-2f9a1c6a0001\"\n}".into(),
            envelope: "{\n  \"kind\": \"send\"\n}".into(),
        },
        result: None,
        attempts: vec![attempt(1), attempt(2)],
        trace: vec![
            step("request", "POST /signin", 0, None),
            step("job", "mail.send", 1, Some("dead")),
            step("event", "job.dead", 2, None),
            step("event", "alert.raised", 2, None),
        ],
        can_retry: true,
        can_discard: true,
        can_cancel: false,
    }
}

fn run(tier: &str, error: Option<&str>, running: bool) -> BackupRun {
    BackupRun {
        id: "0198".into(),
        tier: tier.into(),
        started: ago(20_000),
        finished: (!running).then(|| ago(19_962)),
        objects: 1204,
        bytes: Bytes(734_003_200),
        copied: 31,
        deleted: 4,
        verified: 1204,
        drill: (tier == "daily").then(|| "restored, 14 tables equal".into()),
        error: error.map(Into::into),
    }
}

fn tiers() -> Vec<Tier> {
    let tier = |name: &str, schedule: &str, last: Option<BackupRun>, busy| Tier {
        name: name.into(),
        schedule: schedule.into(),
        next: Some(ago(-60_000)),
        last,
        busy,
    };
    vec![
        tier("daily", "every day at 03:10 UTC", Some(run("daily", None, false)), false),
        tier(
            "1-week",
            "Mondays at 04:10 UTC",
            Some(run("1-week", Some("list: the off-site store refused the key"), false)),
            false,
        ),
        tier("2-week", "every second Monday at 05:10 UTC", Some(run("2-week", None, true)), true),
    ]
}

fn backups() -> BackupsPage {
    let runs = vec![
        run("2-week", None, true),
        run("daily", None, false),
        run("1-week", Some("list: the off-site store refused the key"), false),
    ];
    BackupsPage { layout: admin_layout(), nav: nav(), tiers: tiers(), runs, pager: pager() }
}

fn alert_list() -> AlertsPage {
    let kinds = ["All", "Errors", "Warnings", "Load"];
    AlertsPage {
        layout: admin_layout(),
        nav: nav(),
        filters: kinds.iter().map(|kind| filter(kind, None, *kind == "All")).collect(),
        alerts: alerts(),
        pager: Pager::default(),
    }
}

fn settings() -> SettingsPage {
    let base = admin_layout();
    SettingsPage {
        title: base.site_title.clone(),
        description: base.site_description.clone(),
        layout: Layout { notice: Some(Notice::good("Saved.")), ..base },
        nav: nav(),
        title_error: None,
        description_error: None,
        posting: "optimistic",
        posting_error: None,
        moderation: "suspicious".into(),
        admin_email: "ada@hearth.example".into(),
        version: "0.1.0".into(),
    }
}
