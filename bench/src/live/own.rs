//! What is measured of Hearth alone: how memory grows with connections, what a
//! page takes while many watch, and a comment's way to another client.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use support::client::Client;
use tokio::runtime::{Builder, Runtime};

use super::crowd::Clients;
use super::ground::{Ground as _, ROOMS};
use super::hearth::Hearth;
use super::measure::{Idle, idle, pace, warm_up};
use super::tally::Heard;
use crate::latency;
use crate::report::percentile;

/// Requests for a page, one after the other.
const PAGES: usize = 2000;
/// Comments whose way to another client is measured.
const COMMENTS: usize = 200;
/// Requests that are not counted.
const WARM_UP: usize = 50;
/// Events that each client hears while pages are read.
const EVENTS_EACH: usize = 10;
/// The most connections that a process has descriptors for here.
const MOST: usize = 19_000;
const STEPS: [usize; 5] = [1_000, 5_000, 10_000, 15_000, MOST];

/// What was found.
#[derive(Debug, Serialize)]
pub struct Own {
    pub growth: Vec<Idle>,
    pub page: Page,
    /// From a comment's POST to another client's event, as `latency` has it.
    comments: Value,
}

/// How long a page takes.
#[derive(Debug, Serialize)]
pub struct Page {
    pub connections: usize,
    pub idle: Delay,
    /// While all watch, and twenty events a second go out, each to those of one
    /// post.
    pub busy: Delay,
    pub heard: Heard,
}

/// Of requests.
#[derive(Debug, Serialize)]
pub struct Delay {
    pub requests: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// Measures all, on a site of its own.
///
/// # Errors
/// When clients do not get in.
pub fn own(connections: usize) -> Result<Own, String> {
    let mut site = Hearth::start()?;
    warm_up(&site)?;
    let steps = STEPS.map(|step| step * connections / 15_000);
    let mut growth =
        steps.into_iter().map(|step| idle(&site, step)).collect::<Result<Vec<_>, _>>()?;
    let empty_mib = growth[0].before_mib;
    growth.iter_mut().for_each(|step| step.count_from(empty_mib));
    let page = page(&mut site, connections)?;
    drop(site);
    let comments = runtime().block_on(latency::measure(COMMENTS));
    Ok(Own { growth, page, comments })
}

fn page(site: &mut Hearth, connections: usize) -> Result<Page, String> {
    let (visitors, path) = ([site.site.visitor(), site.site.visitor()], site.page(0));
    let idle = pages(&visitors[0], &path, |number| number < PAGES);
    let mut clients = Clients::start(&site.request(ROOMS))?;
    clients.open(connections, 0)?;
    clients.listen(EVENTS_EACH)?;
    let sending = AtomicBool::new(true);
    let (busy, sent) = thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let more = |_| sending.load(Ordering::Relaxed);
            pages(&visitors[1], &path, more)
        });
        let sent = send(site);
        sending.store(false, Ordering::Relaxed);
        (busy.join().expect("it does not panic"), sent)
    });
    sent?;
    Ok(Page { connections, idle, busy, heard: clients.heard()? })
}

/// Sends to each room in turn.
fn send(site: &mut Hearth) -> Result<(), String> {
    let begun = Instant::now();
    (0..EVENTS_EACH * ROOMS).try_for_each(|number| {
        pace(begun, u32::try_from(number).unwrap_or(u32::MAX));
        site.publish(number % ROOMS)
    })
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Reads a page again and again, while `more`.
fn pages(client: &Client, path: &str, more: impl Fn(usize) -> bool) -> Delay {
    let runtime = runtime();
    let one = |_| {
        let begun = Instant::now();
        runtime.block_on(client.get(path)).expect(200);
        begun.elapsed()
    };
    (0..WARM_UP).map(one).for_each(drop);
    let mut times: Vec<Duration> = (0..).take_while(|number| more(*number)).map(one).collect();
    times.sort_unstable();
    let [p50_ms, p99_ms] = [0.5, 0.99].map(|share| percentile(&times, share));
    Delay { requests: times.len(), p50_ms, p99_ms }
}
