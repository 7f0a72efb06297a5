//! The database goes back to an earlier moment; NATS and the objects do not.

use std::fs;
use std::path::Path;
use std::time::Duration;

use shared::time::Instant;
use support::site::Site;

use super::kill::{back, start};
use crate::ledger::Rows;
use crate::scenario::{BURST, Plan, Round, block_on, rounds};
use crate::table::Figures;

/// All that have the database open.
const PROCESSES: [&str; 4] = ["web", "worker", "cron", "litestream"];
/// Litestream sends what was written within a second; it was sent by then.
const REPLICATED: Duration = Duration::from_millis(2500);

/// As the runbook says: stop, restore to a moment of the burst, put it in place, prepare,
/// start. NATS goes on all the while, with all it has stored and knows.
pub fn rewind(plan: &Plan) -> Figures {
    block_on(async {
        let site = start();
        // The replica can be restored to whole seconds, and has to hold one of them.
        tokio::time::sleep(REPLICATED).await;
        rounds(plan, &site, async |round: &mut Round<'_>| {
            round.moment().await;
            // It can be restored to whole seconds: so about half of the burst is kept.
            let at = Instant::now().plus(Duration::from_secs(1));
            tokio::time::sleep(BURST + REPLICATED).await;
            let pids = PROCESSES.map(|name| (name, round.site.pid(name)));
            PROCESSES.iter().for_each(|name| round.site.signal(name, "-STOP"));
            let restored = tokio::task::block_in_place(|| restore(round.site, at));
            round.restored = Some(restored);
            let said = tokio::task::block_in_place(|| prepare(round.site));
            round.notes.extend(said);
            PROCESSES.iter().for_each(|name| round.site.signal(name, "-KILL"));
            for (name, pid) in pids {
                round.site.replaced(name, pid).await;
            }
            back(round.site).await;
            1
        })
        .await
    })
}

/// Puts the database as it was at `at` in the place of the one that is; gives what it holds.
fn restore(site: &Site, at: Instant) -> Rows {
    let (data, to) = (site.path("data_dir"), site.dir().join("restored"));
    let (at, dir) = (at.to_string(), to.display().to_string());
    let words = ["cron", "restore", "--from", "live", "--at", &at, "--to", &dir];
    let output = site.exec(&words);
    assert!(output.status.success(), "{output:?}");
    for name in ["data.db", "data.db-wal", "data.db-shm"] {
        let _absent = fs::remove_file(data.join(name));
    }
    let _absent = fs::remove_dir_all(data.join(".data.db-litestream"));
    put(&to.join("data.db"), &data.join("data.db"));
    fs::remove_dir_all(&to).expect("the directory can be removed");
    Rows::read(&data).expect("the restored database can be read")
}

fn put(from: &Path, to: &Path) {
    fs::rename(from, to).expect("the database can be put in place");
}

/// Has the site prepared; gives what the operator is told of what was reconciled.
fn prepare(site: &Site) -> Option<String> {
    let output = site.exec(&["cron", "prepare"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    text.lines().find(|line| line.contains("reconciled")).map(str::to_owned)
}
