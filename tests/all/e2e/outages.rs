//! Invariant 5: what goes on while a part is away, and that all recovers.

use std::time::Duration;

use serde_json::json;

use crate::support::image::jpeg;
use crate::support::site::Site;
use crate::support::wait::until;

/// Stops a process so that it is there and silent; it goes on when dropped.
struct Stopped<'a> {
    site: &'a Site,
    name: &'static str,
}

impl<'a> Stopped<'a> {
    fn new(site: &'a Site, name: &'static str) -> Self {
        site.signal(name, "-STOP");
        Self { site, name }
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.site.signal(self.name, "-CONT");
    }
}

async fn approved(site: &Site, slug: &str, count: usize) {
    let path = format!("/api/v1/posts/{slug}/comments");
    until("approved comments", Duration::from_secs(30), || async {
        let list = site.visitor().get(&path).await.json();
        (list["items"].as_array().map(Vec::len) == Some(count)).then_some(())
    })
    .await;
}

async fn views(site: &Site, count: u64) {
    until("counted views", Duration::from_secs(30), || async {
        let totals = site.admin().get("/api/v1/stats/totals").await.json();
        (totals["views"] == count).then_some(())
    })
    .await;
}

async fn comment(site: &Site, slug: &str) {
    let fields = json!({"author": "Ada", "body": format!("One of {}", uuid::Uuid::now_v7())});
    let path = format!("/api/v1/posts/{slug}/comments");
    site.visitor().post_json(&path, &fields).await.expect(202);
}

async fn hit(site: &Site, slug: &str) {
    let beacon = json!({"path": format!("/posts/{slug}")});
    site.visitor().post_json("/hits", &beacon).await.expect(204);
}

#[tokio::test]
async fn invariant_5_with_nats_down_pages_are_served_and_comments_and_views_kept() {
    let site = Site::start(&[]);
    let slug = site.post("no-nats").await;
    let nats = Stopped::new(&site, "nats");
    site.visitor().get(&format!("/posts/{slug}")).await.expect(200);
    for _ in 0..3 {
        comment(&site, &slug).await;
        hit(&site, &slug).await;
    }
    drop(nats);
    approved(&site, &slug, 3).await;
    views(&site, 3).await;
}

#[tokio::test]
async fn invariant_5_with_minio_down_all_but_uploads_goes_on() {
    let site = Site::start(&[]);
    let slug = site.post("no-minio").await;
    let minio = Stopped::new(&site, "minio");
    site.visitor().get(&format!("/posts/{slug}")).await.expect(200);
    comment(&site, &slug).await;
    hit(&site, &slug).await;
    approved(&site, &slug, 1).await;
    views(&site, 1).await;
    drop(minio);
    let upload = site.admin().upload("/api/v1/images", "a.jpg", &jpeg(400, 300, 9)).await;
    upload.expect(202);
}

#[tokio::test]
async fn invariants_5_and_8_with_the_worker_down_writes_are_quick_and_nothing_is_lost() {
    let site = Site::start(&[]);
    let slug = site.post("no-worker").await;
    let worker = Stopped::new(&site, "worker");
    for _ in 0..3 {
        let start = std::time::Instant::now();
        comment(&site, &slug).await;
        hit(&site, &slug).await;
        assert!(start.elapsed() < Duration::from_secs(2), "a handler waited for the worker");
    }
    drop(worker);
    approved(&site, &slug, 3).await;
    views(&site, 3).await;
}
