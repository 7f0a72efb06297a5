//! The rules of a file system over the tree: what exists, what fits, who is told to wait.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use fuser::Errno;

use super::file::Snapshot;
use super::pages::{PAGE, Pages};
use super::tree::{Ino, ROOT, Tree};

type Result<T> = std::result::Result<T, Errno>;

/// What is told about a file or directory beside its content.
#[derive(Debug, Clone, Copy)]
pub struct Meta {
    /// Its permissions.
    pub mode: u16,
    /// Who owns it: user and group.
    pub owner: (u32, u32),
    /// When it was changed last.
    pub changed: SystemTime,
    /// Whether a directory names it.
    pub is_named: bool,
}

impl Meta {
    /// Of something new.
    pub fn new(mode: u32, owner: (u32, u32)) -> Self {
        let mode = (mode & 0o7777) as u16;
        Self { mode, owner, changed: SystemTime::now(), is_named: true }
    }
}

/// A file or directory as it is told to the kernel.
pub struct Entry {
    pub ino: Ino,
    pub meta: Meta,
    /// In bytes; none for a directory.
    pub size: Option<u64>,
}

/// A sync that has begun.
pub struct Sync {
    ino: Ino,
    file: Option<Snapshot>,
    names: u64,
    power: u64,
    /// How long the disk takes for it.
    pub takes: Duration,
}

/// A disk with a file system on it.
pub struct Volume {
    tree: Tree,
    metas: HashMap<Ino, Meta>,
    /// How often there was power; what began under another one fails.
    pub power: u64,
    /// Pages in use.
    used: u64,
    /// Pages that there are.
    pub room: Option<u64>,
    /// How long a sync takes, from and to.
    pub delay: (Duration, Duration),
    /// How the names of files begin whose sync does nothing.
    pub ignored: Option<String>,
    rng: Rng,
}

impl Default for Volume {
    /// An empty one with room for everything.
    fn default() -> Self {
        Self {
            tree: Tree::default(),
            metas: HashMap::from([(ROOT, Meta::new(0o755, (0, 0)))]),
            power: 0,
            used: 0,
            room: None,
            delay: (Duration::ZERO, Duration::ZERO),
            ignored: None,
            rng: Rng::with_seed(1),
        }
    }
}

impl Volume {
    /// Forgets what is not durable. Nothing works until it is mounted again.
    pub fn lose_power(&mut self, rng: &mut Rng, survival: f64) {
        self.power += 1;
        self.tree.lose_power(rng, survival);
        self.metas
            .retain(|ino, _| self.tree.names(*ino).is_some() || self.tree.files.contains_key(ino));
        for meta in self.metas.values_mut() {
            meta.is_named = true;
        }
        self.used = self.tree.files.values().map(|file| Pages::count(file.live().size())).sum();
    }

    /// Makes everything durable, as the kernel does in time.
    pub fn persist_all(&mut self) {
        self.tree.persist_all();
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.used * PAGE as u64
    }

    /// Pages that there are, and that are free.
    pub fn space(&self) -> (u64, u64) {
        let all = self.room.unwrap_or(1 << 24);
        (all, all.saturating_sub(self.used))
    }

    pub fn entry(&self, ino: Ino) -> Result<Entry> {
        let meta = *self.metas.get(&ino).ok_or(Errno::ENOENT)?;
        let size = self.tree.files.get(&ino).map(|file| file.live().size());
        Ok(Entry { ino, meta, size })
    }

    pub fn find(&self, dir: Ino, name: &OsStr) -> Result<Entry> {
        self.entry(self.tree.find(dir, name).ok_or(Errno::ENOENT)?)
    }

    /// The names in a directory, by inode.
    pub fn list(&self, dir: Ino) -> Result<Vec<(Ino, bool, OsString)>> {
        let names = self.tree.names(dir).ok_or(Errno::ENOTDIR)?;
        let is_dir = |ino: Ino| self.tree.names(ino).is_some();
        let mut list: Vec<_> =
            names.iter().map(|(name, ino)| (*ino, is_dir(*ino), name.clone())).collect();
        list.sort_unstable_by_key(|(ino, ..)| *ino);
        Ok(list)
    }

    /// Makes an empty file or directory.
    pub fn add(&mut self, dir: Ino, name: &OsStr, meta: Meta, is_dir: bool) -> Result<Entry> {
        self.must_be_absent(dir, name)?;
        let ino = if is_dir { self.tree.add_dir(dir, name) } else { self.tree.add_file(dir, name) };
        self.metas.insert(ino, meta);
        self.entry(ino)
    }

    fn must_be_absent(&self, dir: Ino, name: &OsStr) -> Result<()> {
        let names = self.tree.names(dir).ok_or(Errno::ENOENT)?;
        if names.contains_key(name) { Err(Errno::EEXIST) } else { Ok(()) }
    }

    /// Takes a name away.
    pub fn remove(&mut self, dir: Ino, name: &OsStr) -> Result<()> {
        let ino = self.tree.find(dir, name).ok_or(Errno::ENOENT)?;
        if self.tree.names(ino).is_some_and(|names| !names.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        self.tree.remove(dir, name);
        self.unname(ino);
        Ok(())
    }

    /// Gives another name. What has that name already is replaced, unless `keep`.
    pub fn rename(&mut self, from: (Ino, &OsStr), to: (Ino, &OsStr), keep: bool) -> Result<()> {
        let ino = self.tree.find(from.0, from.1).ok_or(Errno::ENOENT)?;
        let replaced = self.tree.find(to.0, to.1).filter(|replaced| *replaced != ino);
        if keep {
            self.must_be_absent(to.0, to.1)?;
        }
        if let Some(replaced) = replaced {
            if self.tree.names(replaced).is_some_and(|names| !names.is_empty()) {
                return Err(Errno::ENOTEMPTY);
            }
            self.unname(replaced);
        }
        self.tree.rename(from, to, ino);
        Ok(())
    }

    /// What has no name takes no room: it goes with the last program that has it open.
    fn unname(&mut self, ino: Ino) {
        let size = self.tree.files.get(&ino).map_or(0, |file| file.live().size());
        self.used -= Pages::count(size);
        if let Some(meta) = self.metas.get_mut(&ino) {
            meta.is_named = false;
        }
    }

    pub fn read(&self, ino: Ino, offset: u64, length: usize) -> Result<Vec<u8>> {
        let file = self.tree.files.get(&ino).ok_or(Errno::EISDIR)?;
        Ok(file.live().read(offset, length))
    }

    pub fn write(&mut self, ino: Ino, offset: u64, bytes: &[u8]) -> Result<()> {
        let end = offset + bytes.len() as u64;
        let size = self.entry(ino)?.size.ok_or(Errno::EISDIR)?;
        self.take_room(ino, size, end.max(size))?;
        if let Some(file) = self.tree.files.get_mut(&ino) {
            file.write(offset, bytes);
        }
        self.touch(ino);
        Ok(())
    }

    pub fn resize(&mut self, ino: Ino, size: u64) -> Result<()> {
        let before = self.entry(ino)?.size.ok_or(Errno::EISDIR)?;
        self.take_room(ino, before, size)?;
        if let Some(file) = self.tree.files.get_mut(&ino) {
            file.resize(size);
        }
        self.touch(ino);
        Ok(())
    }

    fn take_room(&mut self, ino: Ino, before: u64, after: u64) -> Result<()> {
        if !self.metas.get(&ino).is_some_and(|meta| meta.is_named) {
            return Ok(());
        }
        let used = self.used - Pages::count(before) + Pages::count(after);
        if used > self.used && self.room.is_some_and(|room| used > room) {
            return Err(Errno::ENOSPC);
        }
        self.used = used;
        Ok(())
    }

    fn touch(&mut self, ino: Ino) {
        self.change_meta(ino, |meta| meta.changed = SystemTime::now());
    }

    pub fn change_meta(&mut self, ino: Ino, change: impl FnOnce(&mut Meta)) {
        if let Some(meta) = self.metas.get_mut(&ino) {
            change(meta);
        }
    }

    /// Takes note of what is to be durable; nothing for a file whose syncs are ignored.
    pub fn begin_sync(&mut self, ino: Ino) -> Option<Sync> {
        if self.is_ignored(ino) {
            return None;
        }
        let (least, most) = self.delay;
        let takes = least + (most.saturating_sub(least)).mul_f64(self.rng.f64());
        let file = self.tree.files.get(&ino).map(super::file::File::snapshot);
        Some(Sync { ino, file, names: self.tree.time(), power: self.power, takes })
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// When the power went in between.
    pub fn end_sync(&mut self, sync: Sync) -> Result<()> {
        if sync.power != self.power {
            return Err(Errno::EIO);
        }
        if let (Some(file), Some(snapshot)) = (self.tree.files.get_mut(&sync.ino), sync.file) {
            file.persist(snapshot);
        }
        self.tree.persist(sync.ino, sync.names);
        Ok(())
    }

    fn is_ignored(&self, ino: Ino) -> bool {
        let name = || self.tree.name(ino)?.to_str();
        self.ignored
            .as_ref()
            .is_some_and(|ignored| name().is_some_and(|it| it.starts_with(ignored)))
    }
}
