//! Invariant 9: no cookie for reading, no visitor's address on disk.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::support::site::Site;
use crate::support::wait::until;

/// An address that stands nowhere else.
const ADDRESS: &str = "203.0.113.77";

#[tokio::test]
async fn invariant_9_reading_sets_no_cookie() {
    let site = Site::shared();
    let slug = site.post("cookies").await;
    for path in ["/", &format!("/posts/{slug}"), "/search?q=a", "/feed.atom", "/ui/app.css"] {
        let answer = site.visitor().get(path).await;
        assert!(!answer.headers.contains_key("set-cookie"), "{path} sets a cookie");
    }
}

#[tokio::test]
async fn invariant_9_no_visitors_address_is_on_disk() {
    let site = Site::start(&[]);
    let slug = site.post("address").await;
    let visitor = site.visitor().from_address(ADDRESS);
    visitor.get(&format!("/posts/{slug}")).await.expect(200);
    let beacon = json!({"path": format!("/posts/{slug}")});
    visitor.post_json("/hits", &beacon).await.expect(204);
    let fields = json!({"author": "Ada", "body": "Who am I?"});
    visitor.post_json(&format!("/api/v1/posts/{slug}/comments"), &fields).await.expect(202);
    visitor.post_form("/signin", &[("email", "x@example.com")]).await;
    let path = format!("/api/v1/posts/{slug}/comments");
    until("comment", Duration::from_secs(10), || async {
        let list = visitor.get(&path).await.json();
        (list["items"].as_array().map(Vec::len) == Some(1)).then_some(())
    })
    .await;
    let found = files_holding(site.dir(), ADDRESS.as_bytes());
    assert!(found.is_empty(), "the address is in {found:?}");
}

/// Every file under `dir` (databases, streams, objects, logs) with `bytes`.
fn files_holding(dir: &Path, bytes: &[u8]) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_holding(&path, bytes));
        } else if path.is_file() {
            // A file that goes away meanwhile holds nothing.
            let content = std::fs::read(&path).unwrap_or_default();
            if content.windows(bytes.len()).any(|window| window == bytes) {
                found.push(path);
            }
        }
    }
    found
}
