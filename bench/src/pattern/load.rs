//! Clients that send comments, each its next when it has an answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use super::Target;
use crate::report::percentile;

/// What the clients saw.
pub struct Found {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Comments that were taken.
    pub per_second: f64,
    /// Answers other than 2xx, and none at all.
    pub errors: usize,
}

/// Sends `requests` comments from `clients` at once.
pub async fn load(target: &Target, clients: usize, requests: usize) -> Found {
    let left = AtomicUsize::new(requests.max(clients));
    let begun = Instant::now();
    let times = join_all((0..clients).map(|number| client(target, number, &left))).await;
    let took = begun.elapsed();
    let all: Vec<(Duration, bool)> = times.into_iter().flatten().collect();
    let errors = all.iter().filter(|(_, taken)| !taken).count();
    let mut times: Vec<Duration> = all.iter().map(|(time, _)| *time).collect();
    times.sort_unstable();
    let [p50_ms, p99_ms, max_ms] = [0.5, 0.99, 1.0].map(|share| percentile(&times, share));
    let per_second = (all.len() - errors) as f64 / took.as_secs_f64();
    Found { p50_ms, p99_ms, max_ms, per_second, errors }
}

/// One client: how long each answer took, and whether the comment was taken.
async fn client(target: &Target, number: usize, left: &AtomicUsize) -> Vec<(Duration, bool)> {
    let mut times = Vec::new();
    let take = |left: usize| left.checked_sub(1);
    while let Ok(count) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
        let body = format!("Comment **{count}** of client {number}, with [a link](/about).");
        let fields = json!({"author": "Bench", "body": body});
        let sent = Instant::now();
        let answer = target.client.try_json(axum::http::Method::POST, &target.path, &fields).await;
        times.push((sent.elapsed(), answer.is_ok_and(|answer| answer.status.is_success())));
    }
    times
}
