//! The figures of a run: medians of the rounds, as a table and as JSON.

use serde_json::{Value, json};
use support::site::Site;

use super::Options;
use super::contestant::Contestant;
use super::install::Peers;
use super::measure::Alone;
use crate::memory::resident_kib;
use crate::report::keep;
use crate::setup::finished;

/// What one round found.
pub struct Round {
    /// Jobs a second from the first enqueue to the last effect.
    pub together: f64,
    /// Jobs a second of those that waited.
    pub apart: f64,
    pub alone: Alone,
}

/// What is known of one contestant.
pub struct Row {
    pub contestant: Contestant,
    pub rounds: Vec<Round>,
    /// Why it takes no part.
    pub missing: Option<String>,
}

impl Row {
    pub fn new(contestant: Contestant) -> Self {
        Self { contestant, rounds: Vec::new(), missing: None }
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    }

    fn speed(&self) -> f64 {
        self.median(|round| round.together)
    }

    fn print(&self) {
        let name = self.contestant.name();
        if let Some(why) = &self.missing {
            let line = why.lines().next().unwrap_or_default();
            println!("{name:<16} missing: {line}");
            return;
        }
        let [together, apart] = [self.speed(), self.median(|it| it.apart)];
        let [p50, p99] = [self.median(|it| it.alone.p50_ms), self.median(|it| it.alone.p99_ms)];
        let mib = self.median(|it| it.alone.worker_kib as f64) / 1024.0;
        let setting = self.contestant.setting();
        println!(
            "{name:<16} {together:>9.0} {apart:>9.0} {p50:>8.2} {p99:>8.2} {mib:>7.1}  {setting}"
        );
    }

    fn json(&self) -> Value {
        let rounds: Vec<Value> = self.rounds.iter().map(round_json).collect();
        json!({
            "name": self.contestant.name(),
            "setting": self.contestant.setting(),
            "durable": self.contestant.is_durable_peer(),
            "jobs_per_second": self.speed().round(),
            "processed_per_second": self.median(|it| it.apart).round(),
            "p50_ms": self.median(|it| it.alone.p50_ms),
            "p99_ms": self.median(|it| it.alone.p99_ms),
            "idle_worker_kib": self.median(|it| it.alone.worker_kib as f64),
            "missing": self.missing,
            "rounds": rounds,
        })
    }
}

fn round_json(round: &Round) -> Value {
    json!({
        "jobs_per_second": round.together.round(),
        "processed_per_second": round.apart.round(),
        "p50_ms": round.alone.p50_ms,
        "p99_ms": round.alone.p99_ms,
        "idle_worker_kib": round.alone.worker_kib,
    })
}

/// Prints all and keeps it.
pub fn show(rows: &[Row], options: &Options, worker_kib: Option<u64>, peers: &Peers) {
    let Options { jobs, singles, .. } = options;
    let rounds = rows.iter().map(|row| row.rounds.len()).max().unwrap_or(0);
    println!("{jobs} no-op jobs of 200 B; {singles} single ones; medians of {rounds}");
    println!(
        "{:<16} {:>9} {:>9} {:>8} {:>8} {:>7}",
        "", "jobs/s", "worked/s", "p50 ms", "p99 ms", "MiB"
    );
    rows.iter().for_each(Row::print);
    let ratios = ratios(rows);
    for (name, ratio) in &ratios {
        println!("{name}: {ratio:.2}");
    }
    if let Some(kib) = worker_kib {
        println!("idle worker of a site: {:.1} MiB", kib as f64 / 1024.0);
    }
    keep(
        "queue",
        &json!({
            "jobs": jobs,
            "singles": singles,
            "rounds": rounds,
            "rows": rows.iter().map(Row::json).collect::<Vec<_>>(),
            "ratios": ratios.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "site_worker_kib": worker_kib,
            "versions": versions(peers),
        }),
    );
}

/// Hearth beside others: its speed as a multiple, its latencies as a share.
fn ratios(rows: &[Row]) -> Vec<(String, f64)> {
    let complete = || rows.iter().filter(|row| row.missing.is_none());
    let Some(hearth) = complete().find(|row| row.contestant == Contestant::Hearth) else {
        return Vec::new();
    };
    let mut ratios = Vec::new();
    let peers = || complete().filter(|row| row.contestant.is_durable_peer());
    if let Some(best) = peers().map(Row::speed).max_by(f64::total_cmp) {
        ratios.push(("speed over the best durable peer".to_owned(), hearth.speed() / best));
    }
    if let Some(raw) = complete().find(|row| row.contestant == Contestant::JetStream) {
        ratios.push(("speed over JetStream alone".to_owned(), hearth.speed() / raw.speed()));
    }
    let p50 = |row: &Row| row.median(|it| it.alone.p50_ms);
    let p99 = |row: &Row| row.median(|it| it.alone.p99_ms);
    if let Some(best) = peers().map(p50).min_by(f64::total_cmp) {
        ratios.push(("p50 over the lowest durable peer".to_owned(), p50(hearth) / best));
    }
    if let Some(best) = peers().map(p99).min_by(f64::total_cmp) {
        ratios.push(("p99 over the lowest durable peer".to_owned(), p99(hearth) / best));
    }
    ratios
}

/// The `worker` binary of a whole site that has nothing to do, in KiB.
pub fn worker_of_a_site() -> u64 {
    let site = Site::start(&[]);
    resident_kib(site.pid("worker").expect("it runs"))
}

fn versions(peers: &Peers) -> Value {
    let asked = |program: &str, word: &str| {
        finished(std::process::Command::new(program).arg(word)).unwrap_or_else(|why| why)
    };
    let nats = stack::tools::named("nats-server").map(|tool| tool.version);
    json!({
        "nats-server": nats.unwrap_or_default(),
        "postgres": asked("postgres", "--version"),
        "go": asked("go", "version"),
        "node": asked("node", "--version"),
        "redis": peers.redis().and_then(|redis| redis.version()).unwrap_or_else(|why| why),
        "river": pinned("river/go.mod", "riverqueue/river v"),
        "bullmq": pinned("bullmq/package.json", "\"bullmq\": "),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
    })
}

/// What follows `mark` on its line of a file under `bench/queue-peers`.
fn pinned(file: &str, mark: &str) -> String {
    let path = super::install::source(file);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let found = text.lines().find_map(|line| line.split_once(mark));
    found.map_or_else(String::new, |(_, version)| version.trim_matches([' ', ',', '"']).to_owned())
}
