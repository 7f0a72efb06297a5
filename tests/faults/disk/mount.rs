//! What the kernel asks of the disk.

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::pages::{PAGE, Pages};
use super::volume::{Entry, Meta, Volume};

/// Nobody but the kernel changes anything, so it may remember all.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// A volume while it has power: what is asked after that fails.
pub struct Mount {
    volume: Arc<Mutex<Volume>>,
    power: u64,
}

/// The volume, for this thread alone.
pub fn lock(volume: &Mutex<Volume>) -> MutexGuard<'_, Volume> {
    volume.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mount {
    /// Of a volume as it is now.
    pub fn new(volume: Arc<Mutex<Volume>>) -> Self {
        let power = lock(&volume).power;
        Self { volume, power }
    }

    fn volume(&self) -> Result<MutexGuard<'_, Volume>, Errno> {
        let volume = lock(&self.volume);
        if volume.power == self.power { Ok(volume) } else { Err(Errno::EIO) }
    }

    fn add(&self, at: (INodeNo, &OsStr), meta: Meta, is_dir: bool) -> Result<Entry, Errno> {
        self.volume()?.add(at.0.0, at.1, meta, is_dir)
    }

    /// Answers when it is done, without keeping others waiting.
    fn sync(&self, ino: INodeNo, reply: ReplyEmpty) {
        let begun = self.volume().map(|mut volume| volume.begin_sync(ino.0));
        match begun {
            Err(error) => reply.error(error),
            Ok(None) => reply.ok(),
            Ok(Some(sync)) => {
                let volume = Arc::clone(&self.volume);
                let end = move || {
                    thread::sleep(sync.takes);
                    let ended = lock(&volume).end_sync(sync);
                    answer(ended, reply);
                };
                thread::spawn(end);
            }
        }
    }
}

fn answer(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn answer_entry(found: Result<Entry, Errno>, reply: ReplyEntry) {
    match found {
        Ok(entry) => reply.entry(&REMEMBERED, &attributes(&entry), Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn attributes(entry: &Entry) -> FileAttr {
    let Entry { ino, meta, size } = entry;
    let size_of = size.unwrap_or(0);
    FileAttr {
        ino: INodeNo(*ino),
        size: size_of,
        blocks: Pages::count(size_of) * (PAGE as u64 / 512),
        atime: meta.changed,
        mtime: meta.changed,
        ctime: meta.changed,
        crtime: meta.changed,
        kind: kind(size.is_none()),
        perm: meta.mode,
        nlink: if size.is_none() { 2 } else { u32::from(meta.is_named) },
        uid: meta.owner.0,
        gid: meta.owner.1,
        rdev: 0,
        blksize: PAGE as u32,
        flags: 0,
    }
}

fn kind(is_dir: bool) -> FileType {
    if is_dir { FileType::Directory } else { FileType::RegularFile }
}

fn meta(request: &Request, mode: u32, umask: u32) -> Meta {
    Meta::new(mode & !umask, (request.uid(), request.gid()))
}

impl Filesystem for Mount {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer_entry(self.volume().and_then(|volume| volume.find(parent.0, name)), reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.volume().and_then(|volume| volume.entry(ino.0)) {
            Ok(entry) => reply.attr(&REMEMBERED, &attributes(&entry)),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        changed: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changed = changed.map(|time| match time {
            TimeOrNow::SpecificTime(time) => time,
            TimeOrNow::Now => SystemTime::now(),
        });
        let done = self.volume().and_then(|mut volume| {
            size.map_or(Ok(()), |size| volume.resize(ino.0, size))?;
            volume.change_meta(ino.0, |meta| {
                meta.mode = mode.map_or(meta.mode, |mode| (mode & 0o7777) as u16);
                meta.owner = (uid.unwrap_or(meta.owner.0), gid.unwrap_or(meta.owner.1));
                meta.changed = changed.unwrap_or(meta.changed);
            });
            volume.entry(ino.0)
        });
        match done {
            Ok(entry) => reply.attr(&REMEMBERED, &attributes(&entry)),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        answer_entry(self.add((parent, name), meta(request, mode, umask), true), reply);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        match self.add((parent, name), meta(request, mode, umask), false) {
            Ok(entry) => {
                let (attributes, flags) = (attributes(&entry), FopenFlags::FOPEN_KEEP_CACHE);
                reply.created(&REMEMBERED, &attributes, Generation(0), FileHandle(0), flags);
            }
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.volume().and_then(|mut volume| volume.remove(parent.0, name)), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.volume().and_then(|mut volume| volume.remove(parent.0, name)), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let keep = flags.contains(RenameFlags::RENAME_NOREPLACE);
        if !(flags - RenameFlags::RENAME_NOREPLACE).is_empty() {
            return reply.error(Errno::EINVAL);
        }
        let (from, to) = ((parent.0, name), (new_parent.0, new_name));
        answer(self.volume().and_then(|mut volume| volume.rename(from, to, keep)), reply);
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.volume().and_then(|volume| volume.entry(ino.0)) {
            Ok(_) => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.volume().and_then(|volume| volume.read(ino.0, offset, size as usize)) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.volume().and_then(|mut volume| volume.write(ino.0, offset, data)) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        answer(self.volume().map(|_| ()), reply);
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.sync(ino, reply);
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.sync(ino, reply);
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        match self.volume().and_then(|volume| volume.list(ino.0)) {
            Ok(list) => {
                // The place in the list is the inode, so that it stays right when names go.
                for (ino, is_dir, name) in list.into_iter().filter(|(ino, ..)| *ino > offset) {
                    if reply.add(INodeNo(ino), ino, kind(is_dir), &name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(error),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match self.volume().map(|volume| volume.space()) {
            Ok((all, free)) => {
                reply.statfs(all, free, free, 1 << 20, 1 << 20, PAGE as u32, 255, PAGE as u32);
            }
            Err(error) => reply.error(error),
        }
    }
}
