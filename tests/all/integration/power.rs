//! The disk that loses power: its model against a plain one, and programs on it.

#[path = "../../faults/disk/mod.rs"]
mod disk;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::time::{Duration, Instant};

use fastrand::Rng;
use stack::TempDir;

use disk::pages::{PAGE, Pages};
use disk::tree::{Ino, ROOT, Tree};
use disk::{Disk, file};

const SEEDS: u64 = 300;
/// `O_DSYNC` of Linux.
const DSYNC: i32 = 0o10000;

#[test]
fn pages_hold_what_was_written_as_an_array_would() {
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let (mut pages, mut plain) = (Pages::default(), Vec::new());
        for _ in 0..40 {
            let (at, bytes) = (rng.usize(..4 * PAGE), bytes(&mut rng));
            if rng.u8(..4) == 0 {
                plain.resize(at, 0);
                pages.resize(at as u64);
            } else {
                plain.resize(plain.len().max(at + bytes.len()), 0);
                plain[at..at + bytes.len()].copy_from_slice(&bytes);
                pages.write(at as u64, &bytes);
            }
            let (from, length) = (rng.usize(..5 * PAGE), rng.usize(..3 * PAGE));
            let to = plain.len().min(from + length);
            let wanted = plain.get(from.min(to)..to).unwrap_or_default();
            assert_eq!(pages.read(from as u64, length), wanted, "seed {seed}");
            assert_eq!(pages.size(), plain.len() as u64, "seed {seed}");
        }
    }
}

fn bytes(rng: &mut Rng) -> Vec<u8> {
    let (byte, length) = (rng.u8(1..), rng.usize(1..2 * PAGE));
    vec![byte; length]
}

/// Every page of a file after a cut is one that it had at the last sync, or that was
/// written since, or zeros where it had grown; and what was not touched since is there.
#[test]
fn a_file_keeps_what_was_synced_and_tears_by_pages_alone() {
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let mut file = file::File::default();
        change(&mut file, &mut rng);
        file.persist(file.snapshot());
        let synced = file.live().clone();
        change(&mut file, &mut rng);
        let live = file.live().clone();
        file.lose_power(&mut rng, 0.5);
        let kept = file.live();
        let (least, most) = (synced.size().min(live.size()), synced.size().max(live.size()));
        assert!((0..=most).contains(&kept.size()), "seed {seed}: {least} {most}");
        for page in 0..Pages::count(kept.size()) {
            let of = |pages: &Pages| {
                let mut bytes = pages.read(page * PAGE as u64, PAGE);
                bytes.resize(PAGE, 0);
                bytes
            };
            let cut = |mut bytes: Vec<u8>| {
                let end = (kept.size() - page * PAGE as u64).min(PAGE as u64);
                bytes[end as usize..].fill(0);
                bytes
            };
            let found = of(kept);
            let known = [cut(of(&synced)), cut(of(&live)), vec![0; PAGE]];
            assert!(known.contains(&found), "seed {seed}: page {page}");
        }
    }
}

fn change(file: &mut file::File, rng: &mut Rng) {
    for _ in 0..rng.usize(1..8) {
        let at = rng.u64(..8) * PAGE as u64;
        file.write(at, &vec![rng.u8(1..); PAGE]);
    }
}

#[test]
fn a_file_that_was_cut_shorter_is_the_old_one_or_the_new_one() {
    let mut sizes = BTreeMap::new();
    for seed in 0..SEEDS {
        let mut file = file::File::default();
        file.write(0, &[1; 3 * PAGE]);
        file.persist(file.snapshot());
        file.resize(0);
        file.write(0, &[2; PAGE]);
        file.lose_power(&mut Rng::with_seed(seed), 0.5);
        let text = file.live().read(0, 9 * PAGE);
        assert!(text == [1; 3 * PAGE] || text.len() <= PAGE && text.iter().all(|it| *it != 1));
        *sizes.entry(text.len()).or_insert(0) += 1;
    }
    assert_eq!(sizes.keys().copied().collect::<Vec<_>>(), [0, PAGE, 3 * PAGE]);
}

#[test]
fn a_sync_that_was_overtaken_does_not_bring_old_bytes_back() {
    let mut file = file::File::default();
    file.write(0, b"old");
    let first = file.snapshot();
    file.write(0, b"new");
    file.persist(file.snapshot());
    file.persist(first);
    file.lose_power(&mut Rng::with_seed(1), 0.0);
    assert_eq!(file.live().read(0, 9), b"new");
}

/// A random directory against a list of its states: what is left is one of those since
/// its last sync.
#[test]
fn a_directory_is_as_it_was_at_some_moment_since_its_last_sync() {
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let mut tree = Tree::default();
        let mut states = vec![names(&tree)];
        for _ in 0..rng.usize(1..30) {
            if rng.u8(..6) == 0 {
                tree.persist(ROOT, tree.time());
                states.clear();
            } else {
                rename_something(&mut tree, &mut rng);
            }
            states.push(names(&tree));
        }
        tree.lose_power(&mut rng, 0.7);
        assert!(states.contains(&names(&tree)), "seed {seed}");
    }
}

fn rename_something(tree: &mut Tree, rng: &mut Rng) {
    let name = |rng: &mut Rng| ["a", "b", "c", "d"][rng.usize(..4)];
    let (from, to) = (OsStr::new(name(rng)), OsStr::new(name(rng)));
    match (tree.find(ROOT, from), rng.u8(..3)) {
        (None, _) => drop(tree.add_file(ROOT, from)),
        (Some(_), 0) => tree.remove(ROOT, from),
        (Some(_), _) if from == to => {}
        (Some(ino), _) => tree.rename((ROOT, from), (ROOT, to), ino),
    }
}

fn names(tree: &Tree) -> Vec<(String, Ino)> {
    let names = tree.names(ROOT).into_iter().flatten();
    names.map(|(name, ino)| (name.to_string_lossy().into_owned(), *ino)).collect()
}

#[test]
fn a_sync_of_a_file_keeps_the_way_to_it_and_nothing_else() {
    let mut tree = Tree::default();
    let dir = tree.add_dir(ROOT, OsStr::new("dir"));
    let other = tree.add_dir(ROOT, OsStr::new("other"));
    let file = tree.add_file(dir, OsStr::new("file"));
    tree.add_file(dir, OsStr::new("later"));
    tree.add_file(other, OsStr::new("elsewhere"));
    tree.persist(file, tree.time());
    tree.lose_power(&mut Rng::with_seed(1), 0.0);
    let names = |dir: Ino| tree.names(dir).into_iter().flatten().count();
    assert_eq!(tree.find(ROOT, OsStr::new("dir")), Some(dir));
    assert_eq!((names(ROOT), names(dir)), (1, 1));
}

#[test]
fn a_rename_between_directories_is_whole_or_not_at_all() {
    for seed in 0..SEEDS {
        let mut tree = Tree::default();
        let (a, b) = (tree.add_dir(ROOT, OsStr::new("a")), tree.add_dir(ROOT, OsStr::new("b")));
        let file = tree.add_file(a, OsStr::new("file"));
        tree.persist_all();
        tree.add_file(b, OsStr::new("before"));
        tree.rename((a, OsStr::new("file")), (b, OsStr::new("file")), file);
        if seed % 2 == 0 {
            tree.persist(a, tree.time());
        }
        tree.lose_power(&mut Rng::with_seed(seed), 0.5);
        let at = |dir| tree.find(dir, OsStr::new("file")).is_some();
        assert!(at(a) != at(b) && (seed % 2 == 1 || at(b)), "seed {seed}");
    }
}

/// A mounted disk in a directory that goes with it; none where mounting is not allowed.
fn mounted() -> Option<(Disk, TempDir)> {
    let dir = TempDir::new().expect("a directory can be made");
    match Disk::mount(&dir.path().join("disk")) {
        Ok(disk) => Some((disk, dir)),
        Err(error) => {
            eprintln!("skipped: a file system cannot be mounted here: {error}");
            None
        }
    }
}

#[test]
fn what_was_synced_is_there_after_a_cut_and_nothing_works_before_it_is_mounted() {
    let Some((mut disk, dir)) = mounted() else { return };
    let path = |name: &str| dir.path().join("disk").join(name);
    for name in ["synced", "lost"] {
        fs::write(path(name), name).unwrap();
    }
    File::open(path("synced")).unwrap().sync_all().unwrap();
    let durable =
        OpenOptions::new().create(true).write(true).custom_flags(DSYNC).open(path("direct"));
    durable.unwrap().write_all(b"direct").unwrap();
    let mut rng = Rng::with_seed(1);
    let synced = ["synced", "direct"].map(|name| fs::read(path(name)).unwrap());
    disk.cut(&mut rng, 0.5);
    assert_eq!(fs::write(path("more"), "").unwrap_err().raw_os_error(), Some(5));
    disk.mount_again().unwrap();
    assert_eq!(["synced", "direct"].map(|name| fs::read(path(name)).unwrap()), synced);
}

#[test]
fn a_full_disk_refuses_what_grows_until_there_is_room() {
    let Some((disk, dir)) = mounted() else { return };
    let path = dir.path().join("disk/file");
    fs::write(&path, [1; 2 * PAGE]).unwrap();
    disk.set_room(Some(disk.used() + PAGE as u64));
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[2; PAGE], 0).unwrap();
    assert_eq!(
        fs::write(path.with_extension("b"), [3; 3 * PAGE]).unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    disk.set_room(None);
    fs::write(path.with_extension("b"), [3; 3 * PAGE]).unwrap();
    fs::remove_file(path.with_extension("b")).unwrap();
    drop(file);
    assert_eq!(disk.used(), 2 * PAGE as u64);
}

#[test]
fn a_slow_disk_takes_its_time_for_a_sync_alone() {
    let Some((disk, dir)) = mounted() else { return };
    let slow = Duration::from_millis(120);
    disk.set_delay(slow, slow);
    let (file, began) = (File::create(dir.path().join("disk/file")).unwrap(), Instant::now());
    file.write_all_at(b"text", 0).unwrap();
    assert!(began.elapsed() < slow);
    file.sync_all().unwrap();
    assert!(began.elapsed() >= slow);
}

#[test]
fn a_disk_that_lies_loses_what_it_said_was_synced() {
    let Some((mut disk, dir)) = mounted() else { return };
    let path = |name: &str| dir.path().join("disk").join(name);
    disk.ignore_syncs(Some("lied".to_owned()));
    let files = ["lied", "true"].map(|name| File::create(path(name)).unwrap());
    disk.write_back();
    for mut file in files {
        file.write_all(b"text").unwrap();
        file.sync_all().unwrap();
    }
    disk.cut(&mut Rng::with_seed(3), 0.0);
    disk.mount_again().unwrap();
    let mut text = String::new();
    File::open(path("true")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), fs::read(path("lied")).unwrap().len()), ("text", 0));
}
