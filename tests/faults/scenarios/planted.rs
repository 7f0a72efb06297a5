//! The ledger itself is put to the test: damage that is done by hand must be found.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Result};
use serde_json::json;
use stack::TempDir;
use support::site::Site;

use super::kill::start;
use crate::ledger::{Balance, Ledger, connect};
use crate::load::{Load, Promises};
use crate::scenario::{CALM, Plan, block_on};
use crate::table::Figures;

type Found = [bool; 3];
const LOST: Found = [true, false, false];
const DOUBLED: Found = [false, true, false];
const STUCK: Found = [false, false, true];

/// Each does one damage to the database, and what is found then: lost, doubled, stuck.
const DAMAGES: [(&str, &str, Found); 6] = [
    ("a comment is gone", "DELETE FROM comments WHERE id = (SELECT min(id) FROM comments)", LOST),
    (
        "a comment is there twice",
        "INSERT INTO comments SELECT 'twin', post_id, parent_id, author, email, body, html, status, \
         reason, trusted, visitor, created_at, checked_at FROM comments \
         WHERE id = (SELECT max(id) FROM comments)",
        DOUBLED,
    ),
    (
        "a view is counted twice",
        "UPDATE view_counts SET views = 2 WHERE path = \
         (SELECT min(path) FROM view_counts WHERE path LIKE '/h/%')",
        DOUBLED,
    ),
    (
        "a job's effect is gone",
        "DELETE FROM view_counts WHERE path = \
         (SELECT min(path) FROM view_counts WHERE path LIKE '/j/%')",
        LOST,
    ),
    (
        "a key is never freed",
        "INSERT INTO unique_jobs (queue, key, job_id) VALUES ('views', 'key', 'nobody')",
        STUCK,
    ),
    (
        "a message never leaves",
        "INSERT INTO outbox (msg_id, subject, body, origin, created_at, due_at, packs) \
         VALUES ('planted', 'events.planted', X'7b7d', 'nobody', 0, 9000000000000, 0)",
        STUCK,
    ),
];

/// Damage that was not found for what it is counts as lost.
pub fn found(plan: &Plan) -> Figures {
    block_on(async {
        let site = start();
        let slug = site.post("planted").await;
        let promises = Load::start(&site, &slug, plan.rng(1)).finish().await;
        let balance = Ledger::of(&site).settle(&promises, CALM).await;
        let mut figures = Figures::default();
        figures.add(&promises, DAMAGES.len() + 2, &balance, Duration::ZERO);
        let mut check = |what: &str, expected: Found, balance: &Balance| {
            let Balance { lost, doubled, stuck, .. } = balance;
            let got = [lost, doubled, stuck].map(|list| !list.is_empty());
            println!("{}: {what}: {balance}", plan.name);
            if got != expected {
                figures.lost += 1;
                figures.notes.push(format!("{what}: {expected:?} expected, {got:?} found"));
            }
        };
        for (what, sql, expected) in DAMAGES {
            let copy = damaged(&site, sql).expect("a copy of the database");
            let ledger = Ledger::of(&site).with_database(copy.path());
            check(what, expected, &ledger.balance(&promises).await);
        }
        let copy = damaged(&site, "").expect("a copy of the database");
        let image = promises.images.iter().next().expect("a promised image");
        remove_original(&site, copy.path(), image).await;
        check("an object is gone", LOST, &Ledger::of(&site).balance(&promises).await);
        let told_twice = Promises { images: HashSet::new(), ..promises };
        tell_again(&site, &told_twice, &slug).await;
        check("an event is told twice", DOUBLED, &Ledger::of(&site).balance(&told_twice).await);
        figures
    })
}

/// A copy of the database to which that was done.
fn damaged(site: &Site, sql: &str) -> Result<TempDir> {
    let dir = TempDir::new().expect("a directory");
    let copy = dir.path().join("data.db");
    let live = Connection::open(site.path("data_dir").join("data.db"))?;
    live.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    Connection::open(copy)?.execute_batch(sql)?;
    Ok(dir)
}

async fn remove_original(site: &Site, database: &Path, image: &str) {
    let conn = Connection::open(database.join("data.db")).expect("a copy of the database");
    let sql = "SELECT original FROM images WHERE id = ?1";
    let key: String = conn.query_row(sql, [image], |row| row.get(0)).expect("the image");
    Ledger::of(site).private().delete(&key).await.expect("the object can be deleted");
}

/// Publishes that a comment is public, as another event.
async fn tell_again(site: &Site, promises: &Promises, slug: &str) {
    let comment = promises.comments.values().next().expect("a promised comment");
    let event = json!({"id": "another", "kind": "comment.approved", "payload": {"id": comment}});
    let context = connect(site).await.expect("NATS is there");
    let sent = context.publish(format!("events.comments.{slug}"), event.to_string().into()).await;
    sent.expect("NATS is there").await.expect("it is stored");
}
