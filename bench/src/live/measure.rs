//! What is measured of each contestant, the same way for all.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Sizes;
use super::cost::{cost, forget_peak, kernel, peak};
use super::crowd::{Clients, Opened, first_place};
use super::ground::{Ground, ROOMS};
use super::tally::Heard;
use crate::report::percentile;

/// Events that are sent one by one to all.
const SINGLES: usize = 20;
/// Events to one client; a tenth more are not counted.
const ALONE: usize = 300;
/// Events that a client is told when it comes back.
const MISSED: usize = 20;
/// Clients that come and go before anything is counted.
const WARM_UP: usize = 200;
/// Memory has settled when it stays within a hundredth for so long.
const SETTLED: Duration = Duration::from_secs(1);
const SETTLED_WITHIN: Duration = Duration::from_secs(8);
const RATE: u32 = 20;
const MIB: f64 = 1024.0 * 1024.0;

/// What a round found of a contestant.
#[derive(Debug, Serialize)]
pub struct Round {
    idle: Idle,
    fan_out: FanOut,
    alone: Alone,
    connect: Rate,
    resume: Option<Rate>,
    steady: Option<Steady>,
}

/// Connections that hear nothing.
#[derive(Debug, Serialize)]
pub struct Idle {
    pub connections: usize,
    /// Memory of the serving processes, each.
    pub bytes: f64,
    /// The same of the processes beside them.
    pub bytes_beside: f64,
    /// Memory of the kernel, each, for both ends.
    pub kernel_bytes: f64,
    pub before_mib: f64,
    pub full_mib: f64,
    /// After all have left.
    pub after_mib: f64,
}

impl Idle {
    /// Counts from what the servers took when nobody had come yet: those who
    /// left have left some room behind.
    pub fn count_from(&mut self, empty_mib: f64) {
        self.bytes = (self.full_mib - empty_mib) * MIB / self.connections as f64;
    }
}

/// One event to all.
#[derive(Debug, Serialize)]
struct FanOut {
    connections: usize,
    /// From the call that sends it to the last client: the median event.
    last_ms: f64,
    cpu_ms_per_10k: f64,
    cpu_ms_per_10k_beside: f64,
    lost: usize,
}

/// From an event to the one client that there is.
#[derive(Debug, Serialize)]
struct Alone {
    p50_ms: f64,
    p99_ms: f64,
}

/// Many clients that come at once.
#[derive(Debug, Serialize)]
struct Rate {
    connections: usize,
    seconds: f64,
    /// Resident memory that was taken meanwhile.
    peak_mib: f64,
}

/// Events that come steadily.
#[derive(Debug, Serialize)]
struct Steady {
    connections: usize,
    events: usize,
    heard: Heard,
    /// Of one core.
    cpu_percent: f64,
    grown_mib: f64,
}

/// All of it, on servers that were started for it.
pub fn round(ground: &mut dyn Ground, sizes: &Sizes, with_steady: bool) -> Result<Round, String> {
    warm_up(ground)?;
    let idle = idle(ground, sizes.idle)?;
    let (connect, fan_out) = fan_out(ground, sizes.fan_out)?;
    let resume = if ground.replays() { Some(resume(ground, sizes.fan_out)?) } else { None };
    let alone = alone(ground)?;
    let steady = if with_steady { Some(steady(ground, sizes)?) } else { None };
    Ok(Round { idle, fan_out, alone, connect, resume, steady })
}

/// Clients that come and go before anything is counted.
pub fn warm_up(ground: &dyn Ground) -> Result<(), String> {
    let mut clients = Clients::start(&ground.request(ROOMS))?;
    clients.open(WARM_UP, 0)?;
    clients.leave()
}

/// Memory with so many connections that watch three topics each.
pub fn idle(ground: &dyn Ground, connections: usize) -> Result<Idle, String> {
    let (serving, beside) = (ground.serving(), ground.beside());
    let mut clients = Clients::start(&ground.request(ROOMS))?;
    let kernel_before = settled(&serving, kernel);
    let (before, before_beside) = (cost(&serving).memory, cost(&beside).memory);
    clients.open(connections, 0)?;
    let kernel_full = settled(&serving, kernel);
    let (full, full_beside) = (cost(&serving).memory, cost(&beside).memory);
    clients.leave()?;
    let after = settled(&serving, || cost(&serving).memory);
    let each = |full: u64, before: u64| (full as f64 - before as f64) / connections as f64;
    Ok(Idle {
        connections,
        bytes: each(full, before),
        bytes_beside: each(full_beside, before_beside),
        kernel_bytes: each(kernel_full, kernel_before),
        before_mib: mib(before),
        full_mib: mib(full),
        after_mib: mib(after),
    })
}

/// What `look` sees once the processes take no more and no less memory.
fn settled<T>(pids: &[u32], look: impl Fn() -> T) -> T {
    let begun = Instant::now();
    let mut steady = (cost(pids).memory, Instant::now());
    while steady.1.elapsed() < SETTLED && begun.elapsed() < SETTLED_WITHIN {
        thread::sleep(SETTLED / 10);
        let now = cost(pids).memory;
        if now.abs_diff(steady.0) > steady.0 / 100 {
            steady = (now, Instant::now());
        }
    }
    look()
}

/// Connects so many, then sends single events to all of them.
fn fan_out(ground: &mut dyn Ground, connections: usize) -> Result<(Rate, FanOut), String> {
    let mut clients = Clients::start(&ground.request(1))?;
    let rate = rate(ground, connections, || clients.open(connections, 0))?;
    let (serving, beside) = (ground.serving(), ground.beside());
    settled(&serving, || ());
    let (before, before_beside) = (cost(&serving).cpu_ms, cost(&beside).cpu_ms);
    let (mut times, mut lost) = (Vec::new(), 0);
    for _ in 0..SINGLES {
        let heard = single(ground, &mut clients)?;
        times.push(heard.max_ms);
        lost += heard.lost;
    }
    times.sort_by(f64::total_cmp);
    let per_10k = |ms: f64| ms / SINGLES as f64 / connections as f64 * 10_000.0;
    let fan_out = FanOut {
        connections,
        last_ms: times[SINGLES / 2],
        cpu_ms_per_10k: per_10k(cost(&serving).cpu_ms - before),
        cpu_ms_per_10k_beside: per_10k(cost(&beside).cpu_ms - before_beside),
        lost,
    };
    clients.leave()?;
    Ok((rate, fan_out))
}

/// Lets clients in, and looks at what that takes.
fn rate(
    ground: &dyn Ground,
    connections: usize,
    open: impl FnOnce() -> Result<Opened, String>,
) -> Result<Rate, String> {
    let serving = ground.serving();
    forget_peak(&serving);
    let before = peak(&serving);
    let opened = open()?;
    let peak_mib = mib(peak(&serving).saturating_sub(before));
    Ok(Rate { connections, seconds: opened.seconds, peak_mib })
}

/// Lets clients come back who have each missed the same events.
fn resume(ground: &mut dyn Ground, connections: usize) -> Result<Rate, String> {
    let mut request = ground.request(1);
    let send = || (0..=MISSED).try_for_each(|_| ground.publish(0));
    request.last_id = Some(first_place(&request, send)?);
    let mut clients = Clients::start(&request)?;
    let rate = rate(ground, connections, || clients.open(connections, MISSED))?;
    clients.leave()?;
    Ok(rate)
}

/// Events to one client, each once the one before was heard.
fn alone(ground: &mut dyn Ground) -> Result<Alone, String> {
    let mut clients = Clients::start(&ground.request(1))?;
    clients.open(1, 0)?;
    let mut times = Vec::new();
    for number in 0..ALONE + ALONE / 10 {
        let heard = single(ground, &mut clients)?;
        if number >= ALONE / 10 {
            times.push(Duration::from_secs_f64(heard.max_ms / 1000.0));
        }
    }
    times.sort_unstable();
    Ok(Alone { p50_ms: percentile(&times, 0.5), p99_ms: percentile(&times, 0.99) })
}

/// One event, heard by all.
fn single(ground: &mut dyn Ground, clients: &mut Clients) -> Result<Heard, String> {
    clients.listen(1)?;
    ground.publish(0)?;
    clients.heard()
}

/// Twenty events a second to all, for a while.
fn steady(ground: &mut dyn Ground, sizes: &Sizes) -> Result<Steady, String> {
    let (connections, seconds) = (sizes.steady, sizes.steady_seconds);
    let mut clients = Clients::start(&ground.request(1))?;
    clients.open(connections, 0)?;
    let serving = ground.serving();
    settled(&serving, || ());
    let before = cost(&serving);
    let events = (RATE * seconds) as usize;
    clients.listen(events)?;
    let begun = Instant::now();
    for number in 0..RATE * seconds {
        pace(begun, number);
        ground.publish(0)?;
    }
    let heard = clients.heard()?;
    let took_ms = begun.elapsed().as_secs_f64() * 1000.0;
    let after = cost(&serving);
    clients.leave()?;
    let cpu_percent = (after.cpu_ms - before.cpu_ms) / took_ms * 100.0;
    let grown_mib = mib(after.memory) - mib(before.memory);
    Ok(Steady { connections, events, heard, cpu_percent, grown_mib })
}

/// Waits until it is time for an event: twenty a second.
pub fn pace(begun: Instant, number: u32) {
    let due = Duration::from_secs(1) / RATE * number;
    thread::sleep(due.saturating_sub(begun.elapsed()));
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}
