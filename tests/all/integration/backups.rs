//! Backups as the operator knows them: `cron` on real servers.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use serde_json::Value;
use shared::blobs::{Bucket, PutOptions};
use shared::db::backups::{self, Tier, schedule};
use shared::time::Instant;
use stack::Signal;
use support::wait::until;

use super::home::{Home, LIMIT, key};

const TIERS: [&str; 3] = ["daily", "1-week", "2-week"];

fn path(home: &Home, name: &str) -> String {
    home.dir.path().join(name).display().to_string()
}

/// The keys of a bucket that begin with `prefix`.
async fn keys(bucket: &Bucket, prefix: &str) -> Vec<String> {
    let pages: Vec<_> = bucket.list(prefix).try_collect().await.expect("it can be listed");
    pages.into_iter().flat_map(|page| page.objects).map(|object| object.key).collect()
}

#[track_caller]
fn check(run: &Value, state: &str, drill: &str) {
    assert_eq!((run["state"].as_str(), run["drill"].as_str()), (Some(state), Some(drill)), "{run}");
    assert_eq!(run["verified"], run["objects"], "{run}");
}

#[tokio::test]
async fn each_tier_holds_the_site_and_only_what_is_new_is_copied() {
    let mut home = Home::prepared();
    home.replicate().await;
    home.post("first").await;
    home.fill(0..50).await;
    for tier in TIERS {
        let run = home.json(&["backup", "run", tier]);
        check(&run, "done", "passed");
        assert!(run["copied"].as_i64() > Some(50), "{run}");
    }
    for tier in &TIERS[1..] {
        let run = home.json(&["backup", "run", tier]);
        assert_eq!((run["copied"].as_i64(), run["deleted"].as_i64()), (Some(0), Some(0)), "{run}");
    }
    // The same size, another content: a tool that compares sizes misses it.
    let changed = Bytes::from_static(b"PICTURE 00007");
    let public = home.bucket("public");
    public.put(&key(7), changed.clone(), PutOptions::typed("image/png")).await.unwrap();
    public.delete(&key(8)).await.unwrap();
    let before = keys(&home.tier("daily"), "objects/").await.len();
    let run = home.json(&["backup", "run", "daily"]);
    check(&run, "done", "passed");
    assert!(run["copied"].as_i64() < Some(40), "{run}");
    assert!(run["deleted"].as_i64() >= Some(2), "{run}");
    assert!(keys(&home.tier("daily"), "objects/").await.len() < before + 40);
    assert_eq!(keys(&home.tier("daily"), "manifests/").await.len(), 1);

    let to = path(&home, "restored");
    let restored = home.json(&["restore", "--from", "daily", "--to", &to, "--objects"]);
    assert_eq!(restored["objects"], 49, "{restored}");
    let file = |number| std::path::Path::new(&to).join("public").join(key(number));
    assert_eq!(std::fs::read(file(7)).unwrap(), changed);
    assert!(!file(8).exists());
    assert_eq!(Home::slugs(to.as_ref()).await, ["first"]);
    let told = home.fails(&["restore", "--from", "daily", "--to", &to]);
    assert!(told.contains("is not empty"), "{told}");

    let older = path(&home, "older");
    home.ok(&["restore", "--from", "2-week", "--to", &older, "--objects"]);
    let old = std::fs::read(std::path::Path::new(&older).join("public").join(key(8)));
    assert_eq!(old.unwrap(), b"picture 00008", "an older tier is not touched by a newer loss");
}

#[tokio::test]
async fn a_new_box_is_filled_from_a_tier() {
    let mut home = Home::prepared();
    home.replicate().await;
    home.post("first").await;
    home.fill(0..12).await;
    home.ok(&["backup", "run", "daily"]);
    home.stop(Signal::TERM);
    let mut new = Home::new();
    std::mem::swap(&mut home.offsite, &mut new.offsite);
    let to = new.data_dir().display().to_string();
    let restored = new.json(&["restore", "--from", "daily", "--to", &to, "--put-back"]);
    assert_eq!(restored["put_back"], 12, "{restored}");
    let object = new.bucket("public").get(&key(3)).await.unwrap();
    assert_eq!(object.metadata.content_type.as_deref(), Some("image/webp"));
    assert_eq!(&object.bytes(99).await.unwrap()[..], b"picture 00003");
    new.ok(&["prepare"]);
    new.replicate().await;
    assert_eq!(Home::slugs(&new.data_dir()).await, ["first"]);
    // Nothing that the old box held when it was copied stands in the way.
    check(&new.json(&["backup", "run", "daily"]), "done", "passed");
}

#[tokio::test]
async fn a_restore_goes_back_to_a_moment() {
    let mut home = Home::prepared();
    home.replicate().await;
    home.post("first").await;
    home.ok(&["drill", "live"]);
    let then = Instant::now().plus(Duration::from_secs(1));
    until("later", LIMIT, || async {
        (Instant::now() > then.plus(Duration::from_secs(2))).then_some(())
    })
    .await;
    home.post("second").await;
    home.ok(&["drill", "live"]);
    home.ok(&["backup", "run", "daily"]);
    for from in ["live", "daily"] {
        let (now, before) =
            (path(&home, &format!("{from}-now")), path(&home, &format!("{from}-then")));
        home.ok(&["restore", "--from", from, "--to", &now]);
        assert_eq!(Home::slugs(now.as_ref()).await, ["first", "second"], "{from}");
        home.ok(&["restore", "--from", from, "--to", &before, "--at", &then.to_string()]);
        assert_eq!(Home::slugs(before.as_ref()).await, ["first"], "{from}");
    }
    for (from, at) in [
        ("live", "2020-01-01T00:00:00Z"),
        ("live", "2222-01-01T00:00:00Z"),
        ("daily", "2020-01-01T00:00:00Z"),
    ] {
        let never = path(&home, "never");
        let told = home.fails(&["restore", "--from", from, "--to", &never, "--at", at]);
        assert!(!std::path::Path::new(&never).exists(), "its directory stays behind");
        for at in bounds(&told) {
            let there = path(&home, "there");
            home.ok(&["restore", "--from", from, "--to", &there, "--at", &at]);
            std::fs::remove_dir_all(&there).unwrap();
        }
    }
}

/// The times that a restore says it could go to.
#[track_caller]
fn bounds(told: &str) -> [String; 2] {
    let (_, times) = told.split_once("the times that it holds are ").expect(told);
    let (earliest, latest) = times.trim().split_once(" to ").expect(told);
    [earliest, latest].map(|time| time.replacen(' ', "T", 1).replace(" UTC", "Z"))
}

#[tokio::test]
async fn a_restore_into_a_file_is_a_misuse() {
    let home = Home::prepared();
    let file = path(&home, "file");
    std::fs::write(&file, "").unwrap();
    let output = home.cron(&["restore", "--from", "live", "--to", &file]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no directory"), "{output:?}");
}

#[tokio::test]
async fn drills_are_kept_as_drills_and_runs_tell_the_site_they_hold() {
    let mut home = Home::prepared();
    home.replicate().await;
    let daily = home.json(&["backup", "run", "daily"]);
    let weekly = home.json(&["backup", "run", "1-week"]);
    assert_eq!(weekly["taken_at"], daily["taken_at"], "a promotion keeps the date");
    home.ok(&["drill"]);
    let status = home.json(&["status"]);
    let drills = status["drills"].as_array().unwrap();
    let sources: Vec<_> = drills.iter().map(|drill| drill["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["live", "daily", "1-week"], "{status}");
    assert!(drills.iter().all(|drill| drill["passed"] == true), "{status}");
    let tasks = status["tasks"].as_array().unwrap();
    let task = tasks.iter().find(|task| task["task"] == "drill:live").unwrap();
    assert!(task["last_success_at"].is_string(), "{task}");
    let tiers: Vec<_> = home.runs().await.into_iter().map(|run| run.tier).collect();
    assert_eq!(tiers, ["daily", "1-week"]);
    let listed = home.ok(&["backup", "list"]);
    assert!(listed.starts_with("tier ") && listed.contains(" UTC"), "{listed}");
}

#[tokio::test]
async fn a_damaged_copy_fails_its_drill_and_is_not_promoted() {
    let mut home = Home::prepared();
    home.replicate().await;
    home.fill(0..5).await;
    home.ok(&["backup", "run", "daily"]);
    let daily = home.tier("daily");
    for object in keys(&daily, "objects/").await {
        let length = daily.head(&object).await.unwrap().length;
        let noise = Bytes::from(vec![b'!'; usize::try_from(length).unwrap()]);
        daily.put(&object, noise, PutOptions::default()).await.unwrap();
    }
    let told = home.fails(&["drill", "daily"]);
    assert!(told.contains("is damaged"), "{told}");
    let told = home.fails(&["backup", "run", "1-week"]);
    assert!(told.contains("is damaged"), "{told}");
    assert!(keys(&home.tier("1-week"), "").await.is_empty());
    let status = home.json(&["status"]);
    assert_eq!(status["tiers"][0]["head"]["drill"]["passed"], false, "{status}");
}

#[tokio::test]
async fn an_object_that_a_tier_lost_is_copied_again() {
    let mut home = Home::prepared();
    home.replicate().await;
    home.fill(0..5).await;
    home.ok(&["backup", "run", "daily"]);
    let daily = home.tier("daily");
    daily.delete_many(&keys(&daily, "objects/").await).await.unwrap();
    let told = home.fails(&["drill", "daily"]);
    assert!(told.contains("lacks"), "{told}");
    let told = home.fails(&["backup", "run", "1-week"]);
    assert!(told.contains("lacks"), "{told}");
    check(&home.json(&["backup", "run", "daily"]), "done", "passed");
    check(&home.json(&["backup", "run", "1-week"]), "done", "passed");
}

#[tokio::test]
async fn what_looks_like_loss_is_not_copied() {
    let mut home = Home::prepared();
    let told = home.fails(&["backup", "run", "daily"]);
    assert!(told.contains("sentinel.json"), "{told}");
    let told = home.fails(&["backup", "run", "1-week"]);
    assert!(told.contains("the tier daily holds nothing yet"), "{told}");
    home.replicate().await;
    home.fill(0..20).await;
    home.ok(&["backup", "run", "daily"]);
    let gone: Vec<String> = (0..15).map(key).collect();
    home.bucket("public").delete_many(&gone).await.unwrap();
    let told = home.fails(&["backup", "run", "daily"]);
    assert!(told.contains("objects of the public bucket went from 20 to 5"), "{told}");
    let foreseen = home.json(&["backup", "run", "daily", "--force", "--dry-run"]);
    assert!(foreseen["deleted"].as_i64() >= Some(15), "{foreseen}");
    let runs = home.runs().await.len();
    check(&home.json(&["backup", "run", "daily", "--force"]), "done", "passed");
    assert_eq!(home.runs().await.len(), runs + 1, "a dry run is not recorded");
}

#[tokio::test]
async fn missed_runs_are_made_up_at_boot_the_oldest_tier_first() {
    let mut home = Home::prepared();
    home.replicate().await;
    for tier in TIERS {
        home.ok(&["backup", "run", tier]);
    }
    home.stop(Signal::TERM);
    let before = home.runs().await.len();
    for tier in [Tier::Daily, Tier::Weekly, Tier::Biweekly] {
        backups::request_run(&home.data(), tier).await.unwrap();
    }
    home.replicate().await;
    let runs = until("the missed runs", LIMIT, || async {
        let runs = home.runs().await.split_off(before);
        let over = runs.len() >= 3 && runs.iter().all(|run| run.state != "running");
        over.then_some(runs)
    })
    .await;
    let tiers: Vec<_> = runs.iter().map(|run| run.tier.as_str()).collect();
    assert_eq!(tiers, ["2-week", "1-week", "daily"]);
    let states: Vec<_> = runs.iter().map(|run| (run.state.as_str(), &run.error)).collect();
    assert!(states.iter().all(|(state, _)| *state == "done"), "{states:?}");
    for task in schedule::list(&home.data()).await.unwrap() {
        let is_tier = task.task.starts_with("backup:");
        assert!(!is_tier || task.due_at > Some(Instant::now()), "{task:?}");
    }
}

#[tokio::test]
async fn a_run_that_the_admin_asks_for_begins_within_seconds() {
    let mut home = Home::prepared();
    home.replicate().await;
    backups::request_run(&home.data(), Tier::Daily).await.unwrap();
    until("the run", Duration::from_secs(15), || async {
        home.runs().await.into_iter().find(|run| run.state == "done")
    })
    .await;
}

#[tokio::test]
async fn runs_never_overlap() {
    let mut home = Home::prepared();
    home.replicate().await;
    let (data, life) = (home.data(), Duration::from_secs(60));
    assert!(schedule::lease(&data, "backups", "another".to_owned(), life).await.unwrap());
    for words in [&["backup", "run", "daily"][..], &["drill", "live"]] {
        let told = home.fails(words);
        assert!(told.contains("another backup"), "{told}");
    }
    schedule::release(&data, "backups", "another".to_owned()).await.unwrap();
    home.ok(&["backup", "run", "daily"]);
}

#[tokio::test]
async fn a_copy_cut_off_by_kill_leaves_the_tier_as_it_was() {
    let mut home = Home::prepared();
    home.replicate().await;
    home.fill(0..10).await;
    home.ok(&["backup", "run", "daily"]);
    let head =
        async || home.tier("daily").get("head.json").await.unwrap().bytes(9999).await.unwrap();
    let before = head().await;
    home.fill(10..400).await;
    let objects = keys(&home.tier("daily"), "objects/").await.len();
    let mut copying = home.begin(&["backup", "run", "daily"]);
    until("a copy under way", LIMIT, || async {
        (keys(&home.tier("daily"), "objects/").await.len() > objects + 5).then_some(())
    })
    .await;
    copying.kill().expect("it runs");
    copying.wait().expect("it ends");
    assert_eq!(head().await, before, "the head is still the old one");
    let to = path(&home, "restored");
    let restored = home.json(&["restore", "--from", "daily", "--to", &to, "--objects"]);
    assert_eq!(restored["objects"], 10, "{restored}");
}

#[tokio::test]
async fn a_lost_database_comes_back_from_its_replica_and_goes_on() {
    let mut home = Home::prepared();
    home.replicate().await;
    home.post("first").await;
    home.stop(Signal::TERM);
    for name in ["data.db", "data.db-wal", "data.db-shm"] {
        let _absent = std::fs::remove_file(home.data_dir().join(name));
    }
    let told = home.ok(&["prepare"]);
    assert!(told.contains("data.db: restored"), "{told}");
    assert_eq!(Home::slugs(&home.data_dir()).await, ["first"]);
    home.replicate().await;
    home.post("second").await;
    home.ok(&["drill", "live"]);
    let to = path(&home, "restored");
    home.ok(&["restore", "--from", "live", "--to", &to]);
    assert_eq!(Home::slugs(to.as_ref()).await, ["first", "second"]);
}

#[tokio::test]
async fn no_empty_database_takes_the_place_of_a_replica() {
    let mut home = Home::prepared();
    home.replicate().await;
    home.stop(Signal::TERM);
    let database = home.data_dir().join("data.db");
    for name in ["data.db", "data.db-wal", "data.db-shm"] {
        let _absent = std::fs::remove_file(home.data_dir().join(name));
    }
    let backup = home.bucket("backup");
    let replica = keys(&backup, "data.db/").await;
    backup.delete_many(&replica).await.unwrap();
    let told = home.fails(&["prepare"]);
    assert!(told.contains("says that it holds a replica"), "{told}");
    assert!(!database.exists());
    home.store.kill();
    let told = home.fails(&["prepare"]);
    assert!(told.contains("cannot be asked for a replica"), "{told}");
    assert!(!database.exists());
}

#[tokio::test]
async fn preparing_twice_changes_nothing_and_a_site_starts_without_its_store() {
    let mut home = Home::new();
    let first = home.ok(&["prepare"]);
    let second = home.ok(&["prepare"]);
    assert!(first.contains("data.db: created") && first.contains("bucket daily: created"));
    assert!(second.contains("data.db: there") && second.contains("bucket daily: there"));
    home.store.kill();
    home.offsite.kill();
    let third = home.ok(&["prepare"]);
    assert!(third.contains("cannot be reached"), "{third}");
}

#[tokio::test]
async fn cron_does_not_outlive_litestream() {
    let mut home = Home::prepared();
    home.replicate().await;
    let cron = children(home.litestream_pid()).pop().expect("cron runs under it");
    home.stop(Signal::KILL);
    until("the end of cron", LIMIT, || async {
        (!std::path::Path::new("/proc").join(&cron).exists()).then_some(())
    })
    .await;
}

/// The children of a process, whichever of its threads began them.
fn children(pid: u32) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let read = |thread: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(thread.ok()?.path().join("children")).ok()
    };
    let children: Vec<String> = threads.filter_map(read).collect();
    children.join(" ").split_whitespace().map(str::to_owned).collect()
}
