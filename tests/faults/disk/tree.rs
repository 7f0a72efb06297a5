//! The directories: what programs see, what is durable, and the changes in between.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};

use fastrand::Rng;

use super::file::File;

/// Names a file or a directory for as long as it exists.
pub type Ino = u64;
/// The directory at the top.
pub const ROOT: Ino = 1;

type Names = HashMap<Ino, BTreeMap<OsString, Ino>>;

/// One name of a directory gets another meaning, or none.
struct Edit {
    dir: Ino,
    name: OsString,
    to: Option<Ino>,
}

/// Edits that a disk makes all or none of.
struct Change {
    time: u64,
    edits: Vec<Edit>,
}

impl Change {
    fn dirs(&self) -> impl Iterator<Item = Ino> {
        self.edits.iter().map(|edit| edit.dir)
    }
}

/// Everything on a disk.
pub struct Tree {
    /// The files, also those that no directory names any more.
    pub files: HashMap<Ino, File>,
    live: Names,
    durable: Names,
    /// What is not durable, oldest first.
    changes: Vec<Change>,
    /// Counts the changes that there have been.
    time: u64,
    next: Ino,
}

impl Default for Tree {
    fn default() -> Self {
        let root = || Names::from([(ROOT, BTreeMap::new())]);
        Self {
            files: HashMap::new(),
            live: root(),
            durable: root(),
            changes: Vec::new(),
            time: 0,
            next: ROOT + 1,
        }
    }
}

impl Tree {
    /// The names in a directory; none when it is no directory.
    pub fn names(&self, dir: Ino) -> Option<&BTreeMap<OsString, Ino>> {
        self.live.get(&dir)
    }

    /// What a name means.
    pub fn find(&self, dir: Ino, name: &OsStr) -> Option<Ino> {
        self.live.get(&dir)?.get(name).copied()
    }

    /// The name of a file or directory; none when it has none.
    pub fn name(&self, ino: Ino) -> Option<&OsStr> {
        let mut all = self.live.values().flatten();
        all.find(|(_, named)| **named == ino).map(|(name, _)| name.as_os_str())
    }

    /// Makes an empty file.
    pub fn add_file(&mut self, dir: Ino, name: &OsStr) -> Ino {
        let ino = self.new_ino();
        self.files.insert(ino, File::default());
        self.change(vec![edit(dir, name, Some(ino))]);
        ino
    }

    /// Makes an empty directory.
    pub fn add_dir(&mut self, dir: Ino, name: &OsStr) -> Ino {
        let ino = self.new_ino();
        self.live.insert(ino, BTreeMap::new());
        self.durable.insert(ino, BTreeMap::new());
        self.change(vec![edit(dir, name, Some(ino))]);
        ino
    }

    /// Takes a name away.
    pub fn remove(&mut self, dir: Ino, name: &OsStr) {
        self.change(vec![edit(dir, name, None)]);
    }

    /// Gives a file or directory another name, in place of what had it.
    pub fn rename(&mut self, from: (Ino, &OsStr), to: (Ino, &OsStr), ino: Ino) {
        self.change(vec![edit(from.0, from.1, None), edit(to.0, to.1, Some(ino))]);
    }

    fn new_ino(&mut self) -> Ino {
        self.next += 1;
        self.next - 1
    }

    fn change(&mut self, edits: Vec<Edit>) {
        self.time += 1;
        let change = Change { time: self.time, edits };
        apply(&mut self.live, &change);
        self.changes.push(change);
    }

    /// The number of the newest change: a sync that begins now makes no later one durable.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Makes durable the names of a directory, or that a file or directory is named, with
    /// all that happened before in the directories that are concerned. Leaves out what is
    /// newer than `time`.
    pub fn persist(&mut self, ino: Ino, time: u64) {
        let (mut dirs, mut named) = (HashSet::from([ino]), HashSet::from([ino]));
        let mut wanted = HashSet::new();
        for change in self.changes.iter().rev().filter(|change| change.time <= time) {
            let is_wanted = |edit: &Edit| {
                dirs.contains(&edit.dir) || edit.to.is_some_and(|to| named.contains(&to))
            };
            if change.edits.iter().any(is_wanted) {
                wanted.insert(change.time);
                dirs.extend(change.dirs());
                named.extend(change.dirs());
            }
        }
        self.settle(|change| wanted.contains(&change.time));
    }

    /// Makes the wanted changes durable and keeps the others.
    fn settle(&mut self, mut is_wanted: impl FnMut(&Change) -> bool) {
        let durable = &mut self.durable;
        self.changes.retain(|change| {
            let wanted = is_wanted(change);
            if wanted {
                apply(durable, change);
            }
            !wanted
        });
    }

    /// Makes everything durable.
    pub fn persist_all(&mut self) {
        self.settle(|_| true);
        for file in self.files.values_mut() {
            file.persist(file.snapshot());
        }
    }

    /// Forgets what is not durable, but for a random part of it: see [`super`].
    pub fn lose_power(&mut self, rng: &mut Rng, survival: f64) {
        let mut stopped = HashSet::new();
        self.settle(|change| {
            let is_stopped = change.dirs().any(|dir| stopped.contains(&dir));
            let survives = !is_stopped && rng.f64() < survival;
            if !survives {
                stopped.extend(change.dirs());
            }
            survives
        });
        self.changes.clear();
        self.live = self.durable.clone();
        self.drop_unnamed();
        let mut files: Vec<_> = self.files.iter_mut().collect();
        files.sort_by_key(|(ino, _)| **ino);
        for (_, file) in files {
            file.lose_power(rng, survival);
        }
    }

    /// Drops what no name leads to.
    fn drop_unnamed(&mut self) {
        let mut reached = HashSet::from([ROOT]);
        let mut next = vec![ROOT];
        while let Some(dir) = next.pop() {
            let below = self.live.get(&dir).into_iter().flat_map(BTreeMap::values);
            next.extend(below.filter(|ino| reached.insert(**ino)));
        }
        self.files.retain(|ino, _| reached.contains(ino));
        self.live.retain(|ino, _| reached.contains(ino));
        self.durable.retain(|ino, _| reached.contains(ino));
    }
}

fn edit(dir: Ino, name: &OsStr, to: Option<Ino>) -> Edit {
    Edit { dir, name: name.to_owned(), to }
}

fn apply(names: &mut Names, change: &Change) {
    for Edit { dir, name, to } in &change.edits {
        let Some(names) = names.get_mut(dir) else { continue };
        match to {
            Some(ino) => names.insert(name.clone(), *ino),
            None => names.remove(name),
        };
    }
}
