//! `kill -9` at random moments under load. The stack starts again what was killed.

use std::time::Duration;

use support::site::Site;

use crate::scenario::{Plan, Round, block_on, rounds};
use crate::table::Figures;

const NAMES: [&str; 5] = ["web", "worker", "nats", "minio", "cron"];

pub fn web(plan: &Plan) -> Figures {
    one(plan, "web")
}

pub fn worker(plan: &Plan) -> Figures {
    one(plan, "worker")
}

pub fn nats(plan: &Plan) -> Figures {
    one(plan, "nats")
}

pub fn minio(plan: &Plan) -> Figures {
    one(plan, "minio")
}

pub fn cron(plan: &Plan) -> Figures {
    one(plan, "cron")
}

/// Two to five of them, each at its own moment.
pub fn all(plan: &Plan) -> Figures {
    block_on(async {
        let site = start();
        rounds(plan, &site, async |round: &mut Round<'_>| {
            let mut names = NAMES;
            round.rng.shuffle(&mut names);
            let count = round.rng.usize(2..=NAMES.len());
            for name in &names[..count] {
                let pause = round.rng.u64(1..400);
                tokio::time::sleep(Duration::from_millis(pause)).await;
                round.site.signal(name, "-KILL");
            }
            back(round.site).await;
            count
        })
        .await
    })
}

fn one(plan: &Plan, name: &'static str) -> Figures {
    block_on(async {
        let site = start();
        rounds(plan, &site, async |round: &mut Round<'_>| {
            round.moment().await;
            kill(round.site, name).await;
            back(round.site).await;
            1
        })
        .await
    })
}

/// A site whose comments are public as soon as they are checked.
pub fn start() -> Site {
    tokio::task::block_in_place(|| Site::start(&[("COMMENTS_MODERATION", "none")]))
}

/// Kills a process, once it is there; waits until another is.
pub async fn kill(site: &Site, name: &str) {
    site.replaced(name, None).await;
    let before = site.pid(name);
    site.signal(name, "-KILL");
    site.replaced(name, before).await;
}

/// Waits until every binary is ready.
pub async fn back(site: &Site) {
    for name in NAMES {
        site.replaced(name, None).await;
    }
    site.ready().await;
}
