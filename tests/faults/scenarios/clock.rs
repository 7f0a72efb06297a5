//! The clock steps under web, worker and cron: by days and back, and to and fro by seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stack::environment::{Variables, own_file};
use stack::place::Layout;
use stack::records;
use support::site::Site;

use super::kill::{back, kill, start};
use crate::scenario::{Plan, Round, block_on, rounds};
use crate::table::Figures;

const DAY: i64 = 86_400;
/// Where Debian's package `faketime` puts the library.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// What the programs' clock is off by.
struct Clock(PathBuf);

impl Clock {
    /// Has the programs of the site look at a clock that can be set; for as long as they
    /// run, timers go on as before.
    async fn of(site: &Site) -> Self {
        let clock = Self(site.dir().join("clock"));
        clock.step(0);
        let own = Variables::from([
            ("LD_PRELOAD".to_owned(), library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE".to_owned(), clock.0.display().to_string()),
            ("FAKETIME_NO_CACHE".to_owned(), "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC".to_owned(), "1".to_owned()),
            ("NO_FAKE_STAT".to_owned(), "1".to_owned()),
        ]);
        let layout = Layout::new(site.dir()).expect("a directory");
        for (process, name) in [("litestream", "cron"), ("worker", "worker"), ("web", "web")] {
            let file = own_file(&layout, process);
            records::write(&file, &own).expect("the stack's directory can be written");
            kill(site, name).await;
        }
        back(site).await;
        clock
    }

    /// Sets it so many seconds off.
    fn step(&self, seconds: i64) {
        let next = self.0.with_extension("next");
        fs::write(&next, format!("{seconds:+}\n")).expect("the clock can be set");
        fs::rename(&next, &self.0).expect("the clock can be set");
    }
}

fn library() -> PathBuf {
    let found = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut found = found.map(|entry| entry.path().join(LIBRARY));
    found.find(|path| Path::is_file(path)).expect("the package faketime is installed")
}

/// A day ahead, a day back, or small steps; then right again.
pub fn steps(plan: &Plan) -> Figures {
    block_on(async {
        let site = start();
        let clock = Clock::of(&site).await;
        rounds(plan, &site, async |round: &mut Round<'_>| {
            round.promises.clock_moved = true;
            round.moment().await;
            let steps: Vec<i64> = match round.rng.u8(..4) {
                0 => vec![DAY],
                1 => vec![-DAY],
                2 => vec![DAY, -DAY],
                _ => (0..10).map(|_| round.rng.i64(-5..=5)).collect(),
            };
            for step in &steps {
                clock.step(*step);
                tokio::time::sleep(Duration::from_millis(round.rng.u64(100..800))).await;
            }
            clock.step(0);
            steps.len() + 1
        })
        .await
    })
}
