//! The figures of a run: medians of the rounds, as tables and as JSON.

use serde_json::{Value, json};

use super::contestant::{Contestant, Peers};
use super::measure::Round;
use super::own::{Delay, Own};
use super::{Options, Sizes};
use crate::report::keep;
use crate::setup::finished;

/// What is known of one contestant.
pub struct Row {
    pub contestant: Contestant,
    rounds: Vec<Value>,
    /// Why it takes no part.
    pub missing: Option<String>,
}

/// A column: what is above it, where in a round it stands, its decimals.
type Column = (&'static str, &'static str, usize);

const MEMORY: [Column; 6] = [
    ("B each", "/idle/bytes", 0),
    ("beside", "/idle/bytes_beside", 0),
    ("kernel", "/idle/kernel_bytes", 0),
    ("empty MiB", "/idle/before_mib", 1),
    ("full MiB", "/idle/full_mib", 1),
    ("left MiB", "/idle/after_mib", 1),
];
const SPEED: [Column; 6] = [
    ("last ms", "/fan_out/last_ms", 1),
    ("CPU ms", "/fan_out/cpu_ms_per_10k", 1),
    ("beside", "/fan_out/cpu_ms_per_10k_beside", 1),
    ("lost", "/fan_out/lost", 0),
    ("p50 ms", "/alone/p50_ms", 2),
    ("p99 ms", "/alone/p99_ms", 2),
];
const RATES: [Column; 4] = [
    ("open s", "/connect/seconds", 2),
    ("peak MiB", "/connect/peak_mib", 1),
    ("resume s", "/resume/seconds", 2),
    ("peak MiB", "/resume/peak_mib", 1),
];
const STEADY: [Column; 6] = [
    ("p50 ms", "/steady/heard/p50_ms", 1),
    ("p99 ms", "/steady/heard/p99_ms", 1),
    ("max ms", "/steady/heard/max_ms", 1),
    ("lost", "/steady/heard/lost", 0),
    ("CPU %", "/steady/cpu_percent", 0),
    ("grown MiB", "/steady/grown_mib", 1),
];

impl Row {
    pub fn new(contestant: Contestant) -> Self {
        Self { contestant, rounds: Vec::new(), missing: None }
    }

    pub fn add(&mut self, round: &Round) {
        self.rounds.push(json!(round));
    }

    /// The median of what the rounds have there.
    fn median(&self, pointer: &str) -> Option<f64> {
        let of = |round: &Value| round.pointer(pointer).and_then(Value::as_f64);
        let mut values: Vec<f64> = self.rounds.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    fn print(&self, columns: &[Column]) {
        print!("{:<12}", self.contestant.name());
        for (_, pointer, decimals) in columns {
            match self.median(pointer) {
                Some(value) => print!(" {value:>10.decimals$}"),
                None => print!(" {:>10}", "-"),
            }
        }
        println!();
    }

    fn json(&self) -> Value {
        let columns = [&MEMORY[..], &SPEED, &RATES, &STEADY].concat();
        let median =
            |(_, pointer, _): &Column| ((*pointer).to_owned(), json!(self.median(pointer)));
        json!({
            "name": self.contestant.name(),
            "setting": self.contestant.setting(),
            "missing": self.missing,
            "medians": columns.iter().map(median).collect::<serde_json::Map<_, _>>(),
            "rounds": self.rounds,
        })
    }
}

/// Prints all and keeps it.
pub fn show(rows: &[Row], options: &Options, own: Option<&Result<Own, String>>, peers: &Peers) {
    let sizes = options.sizes();
    let Sizes { idle, fan_out, steady, steady_seconds } = sizes;
    let rounds = rows.iter().map(|row| row.rounds.len()).max().unwrap_or(0);
    println!("medians of {rounds}; each client watches 3 topics");
    for row in rows {
        println!("{:<12} {}", row.contestant.name(), row.contestant.setting());
    }
    part(rows, &MEMORY, &format!("{idle} idle connections"));
    part(rows, &SPEED, &format!("one event of 200 B to {fan_out} clients; to a single one"));
    part(rows, &RATES, &format!("{fan_out} clients come; come back and are told 20 events each"));
    let many = format!("20 events a second to {steady} clients for {steady_seconds} s");
    part(rows, &STEADY, &many);
    let ratios = ratios(rows);
    for (name, ratio) in &ratios {
        println!("{name}: {ratio:.2}");
    }
    match own {
        Some(Ok(own)) => show_own(own),
        Some(Err(why)) => println!("hearth alone: {why}"),
        None => {}
    }
    keep(
        "live",
        &json!({
            "rounds": rounds,
            "sizes": sizes,
            "rows": rows.iter().map(Row::json).collect::<Vec<_>>(),
            "ratios": ratios.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "hearth": own.and_then(|own| own.as_ref().ok()),
            "versions": versions(peers),
        }),
    );
}

fn part(rows: &[Row], columns: &[Column], title: &str) {
    println!("\n{title}");
    print!("{:<12}", "");
    columns.iter().for_each(|(head, _, _)| print!(" {head:>10}"));
    println!();
    for row in rows {
        match &row.missing {
            Some(why) => {
                let line = why.lines().next().unwrap_or_default();
                println!("{:<12} missing: {line}", row.contestant.name());
            }
            None => row.print(columns),
        }
    }
}

fn show_own(own: &Own) {
    println!("\nhearth, idle connections");
    for step in &own.growth {
        let (each, full) = (step.bytes, step.full_mib);
        println!("{:>8} {each:>8.0} B each {full:>8.1} MiB", step.connections);
    }
    let page = &own.page;
    println!("\nhearth, a page; beside {} clients and 20 events a second", page.connections);
    for (name, delay) in [("idle", &page.idle), ("beside", &page.busy)] {
        let Delay { requests, p50_ms, p99_ms } = delay;
        println!("{name:<8} p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms of {requests}");
    }
    println!("lost meanwhile: {} of {}", page.heard.lost, page.heard.lost + page.heard.heard);
}

/// Hearth as a share of nchan with one worker, and of the best peer.
fn ratios(rows: &[Row]) -> Vec<(String, f64)> {
    let Some(hearth) = rows.iter().find(|row| row.contestant == Contestant::Hearth) else {
        return Vec::new();
    };
    let mut ratios = Vec::new();
    for (name, pointer) in [
        ("last client", "/fan_out/last_ms"),
        ("CPU of 10k deliveries", "/fan_out/cpu_ms_per_10k"),
        ("bytes a connection", "/idle/bytes"),
    ] {
        let peers = || rows.iter().filter(|row| row.contestant != Contestant::Hearth);
        let nchan = peers().find(|row| row.contestant == Contestant::Nchan(1));
        let best = peers().filter_map(|row| row.median(pointer)).min_by(f64::total_cmp);
        let nchan = nchan.and_then(|row| row.median(pointer));
        for (other, value) in [("nchan with one worker", nchan), ("the best peer", best)] {
            if let (Some(own), Some(value)) = (hearth.median(pointer), value) {
                ratios.push((format!("{name} over {other}"), own / value));
            }
        }
    }
    ratios
}

fn versions(peers: &Peers) -> Value {
    let nats = stack::tools::named("nats-server").map(|tool| tool.version);
    let mut go = std::process::Command::new("go");
    let module = "github.com/pocketbase/pocketbase";
    let pocketbase = peers.pocketbase().and_then(|program| {
        let text = finished(go.args(["version", "-m"]).arg(program))?;
        let line = text.lines().find(|line| line.contains(module)).unwrap_or_default();
        Ok(line.split_whitespace().nth(2).unwrap_or_default().to_owned())
    });
    json!({
        "nats-server": nats.unwrap_or_default(),
        "nginx": peers.nginx().map_or_else(|why| why, |nginx| nginx.version()),
        "pushpin": peers.pushpin().and_then(|it| it.version()).unwrap_or_else(|why| why),
        "pocketbase": pocketbase.unwrap_or_else(|why| why),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
    })
}
