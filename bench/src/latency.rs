//! From a comment's POST to another client's event, one at a time on an idle
//! site, durable at every hop.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::site::Site;
use support::sse::Events;

use crate::report::{keep, percentile};

/// Comments that are not counted: connections open, pages are read in.
const WARM_UP: usize = 20;

/// Measures it and keeps the figures.
pub async fn run(comments: usize) {
    keep("latency", &measure(comments).await);
}

/// Measures it, prints the figures and gives them.
pub async fn measure(comments: usize) -> Value {
    let site = Site::start(&[("COMMENTS_MODERATION", "none")]);
    let slug = site.post("latency").await;
    let mut window = Events::open(&site.visitor(), &format!("topic=comments.{slug}"), None).await;
    let (mut accepted, mut seen) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + comments {
        let (answer, event) = one(&site, &slug, number, &mut window).await;
        if number >= WARM_UP {
            accepted.push(answer);
            seen.push(event);
        }
    }
    println!("{comments} comments, one at a time, each durable at every hop");
    println!("{:<28} {:>8} {:>8} {:>8}", "milliseconds", "p50", "p99", "max");
    let rows = [("POST to 202", accepted), ("POST to another client's SSE", seen)];
    let rows = rows.map(|(name, mut times)| {
        times.sort_unstable();
        let [p50, p99, max] = [0.50, 0.99, 1.0].map(|share| percentile(&times, share));
        println!("{name:<28} {p50:>8.2} {p99:>8.2} {max:>8.2}");
        json!({"name": name, "p50_ms": p50, "p99_ms": p99, "max_ms": max})
    });
    json!({"comments": comments, "rows": rows})
}

async fn one(site: &Site, slug: &str, number: usize, window: &mut Events) -> (Duration, Duration) {
    let fields = json!({"author": "Bench", "body": format!("Comment {number}")});
    let path = format!("/api/v1/posts/{slug}/comments");
    let admin = site.admin();
    let start = Instant::now();
    let post = async {
        admin.post_json(&path, &fields).await.expect(202);
        start.elapsed()
    };
    let event = async {
        window.next().await;
        start.elapsed()
    };
    tokio::join!(post, event)
}
