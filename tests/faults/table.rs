//! The figures of a run, as a table and as JSON.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::ledger::Balance;
use crate::load::Promises;

/// One row.
#[derive(Debug, Default, Serialize)]
pub struct Figures {
    /// The scenario.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Rounds that ended.
    pub rounds: usize,
    /// Of the whole run.
    pub seed: u64,
    /// Promises by kind.
    pub promised: BTreeMap<&'static str, usize>,
    /// Faults that were injected.
    pub faults: usize,
    /// Times that a client had to ask again.
    pub retries: usize,
    /// Promises that were not kept.
    pub lost: usize,
    /// Effects that happened more than once.
    pub doubled: usize,
    /// What had not settled in time.
    pub stuck: usize,
    /// Events that their stream holds twice under one id: readers know them by it.
    pub repeated: usize,
    /// Promises of a time that a restore has gone back before: they are gone, as was asked.
    pub rewound: usize,
    /// The longest time from calm to settled, in milliseconds.
    pub settle_ms: u64,
    /// How long all took, in seconds.
    pub seconds: u64,
    /// What else should be known.
    pub notes: Vec<String>,
    /// Whether this is a counter-proof: something is broken on purpose, and the ledger must
    /// see that something is lost.
    pub must_lose: bool,
    /// Why it was cut short.
    pub failed: Option<String>,
}

impl Figures {
    /// A row that was cut short.
    pub fn failed(why: &str) -> Self {
        Self { failed: Some(why.to_owned()), ..Self::default() }
    }

    /// Whether nothing was lost, doubled or stuck; of a counter-proof, whether something was.
    pub fn is_clean(&self) -> bool {
        if self.must_lose {
            return self.failed.is_none() && self.lost > 0;
        }
        self.failed.is_none() && (self.lost, self.doubled, self.stuck) == (0, 0, 0)
    }

    /// Adds a round.
    pub fn add(&mut self, promises: &Promises, faults: usize, balance: &Balance, took: Duration) {
        self.rounds += 1;
        for (kind, count) in promises.by_kind() {
            *self.promised.entry(kind).or_default() += count;
        }
        self.faults += faults;
        self.retries += promises.retries;
        self.lost += balance.lost.len();
        self.doubled += balance.doubled.len();
        self.stuck += balance.stuck.len();
        self.settle_ms = self.settle_ms.max(took.as_millis() as u64);
        self.notes.extend(balance.problems());
    }

    /// Takes the balance of all rounds together where it is worse.
    pub fn close(&mut self, all: &Balance) {
        let worse = all.lost.len() > self.lost || all.doubled.len() > self.doubled;
        self.lost = self.lost.max(all.lost.len());
        self.doubled = self.doubled.max(all.doubled.len());
        self.repeated = all.repeated;
        if worse {
            self.notes.extend(all.problems());
        }
    }
}

/// The table, as Markdown.
pub fn markdown(rows: &[Figures]) -> String {
    let mut text = String::from(
        "| scenario | rounds | promised | faults | retries | lost | doubled | stuck | settled within |\n\
         |-|-:|-|-:|-:|-:|-:|-:|-:|\n",
    );
    for row in rows {
        let promised: Vec<String> =
            row.promised.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {:.1} s |\n",
            row.name,
            row.rounds,
            promised.join(", "),
            row.faults,
            row.retries,
            row.lost,
            row.doubled,
            row.stuck,
            row.settle_ms as f64 / 1000.0,
        ));
    }
    for row in rows {
        let failed = row.failed.iter().map(|why| format!("cut short: {why}"));
        let rewound = (row.rewound > 0)
            .then(|| format!("{} promises are gone with the time after the moment", row.rewound));
        for note in failed.chain(rewound).chain(row.notes.iter().cloned()) {
            text.push_str(&format!("\n{}: {note}", row.name));
        }
    }
    if let Some(row) = rows.first() {
        text.push_str(&format!("\nseed {}\n", row.seed));
    }
    text
}

/// Writes the rows as JSON.
///
/// # Errors
/// When the file cannot be written.
pub fn write_json(path: &Path, rows: &[Figures]) -> io::Result<()> {
    fs::write(path, format!("{}\n", serde_json::to_string_pretty(rows)?))
}
