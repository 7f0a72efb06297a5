//! A disk that loses power, runs full and becomes slow: a file system in user space.
//!
//! It keeps everything in memory, twice: as programs see it, and as it is durable. So what
//! is lost does not depend on the machine that runs the test. When the power goes:
//!
//! - A file holds what it held when the last `fsync` or `fdatasync` that has *returned*
//!   began. Of what was written since, each page of 4 KiB survives or not, by chance and
//!   independently of the others; a page never survives in part. Of bytes that were
//!   appended, a random number of pages counts to the file, and those that did not survive
//!   read as zeros. A file that was cut shorter has its old size and content, or the new.
//! - A directory loses the last of its changes: creations, removals and renames survive in
//!   their order up to a random one, in each directory for itself. A rename is whole or not
//!   at all. Names and contents are apart: a new name may lead to an empty file.
//! - `fsync` of a directory makes its changes durable. `fsync` of a file makes durable its
//!   content and its name, with all that came before in that directory, and the names of
//!   the directories above it.
//!
//! Each of these is what a real file system does: ordered directory changes and a sync of a
//! file that carries its name are promised by ext4, XFS, Btrfs and F2FS; zeros in a tail
//! come from XFS; changes of one directory that survive without older ones of another from
//! Btrfs and F2FS. Shorter writes than a page, which disks do in sectors, are left out.
//!
//! After the cut all calls fail with EIO until the disk is mounted again.

pub mod file;
mod mount;
pub mod pages;
pub mod tree;
mod volume;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use fuser::{BackgroundSession, Config, MountOption};

use mount::{Mount, lock};
use pages::PAGE;
use volume::Volume;

/// A disk that is in use for longer than this is not let go.
const LET_GO_WITHIN: Duration = Duration::from_secs(10);

/// A mounted disk; it is unmounted with this value, and its files are gone then.
pub struct Disk {
    place: PathBuf,
    volume: Arc<Mutex<Volume>>,
    session: Option<BackgroundSession>,
}

impl Disk {
    /// Mounts an empty disk on a directory, which is made.
    ///
    /// # Errors
    /// When that is not allowed.
    pub fn mount(place: &Path) -> io::Result<Self> {
        fs::create_dir_all(place)?;
        let volume = Arc::new(Mutex::new(Volume::default()));
        let mut disk = Self { place: place.to_owned(), volume, session: None };
        disk.mount_again()?;
        Ok(disk)
    }

    /// Takes the power away: forgets what is not durable, but for some of it. `survival`
    /// is how likely each page and each change of a directory survives, up to 1.
    pub fn cut(&self, rng: &mut Rng, survival: f64) {
        lock(&self.volume).lose_power(rng, survival);
    }

    /// Mounts what was durable. All that had files open must have ended.
    ///
    /// # Errors
    /// When the old mount is still in use.
    pub fn mount_again(&mut self) -> io::Result<()> {
        self.unmount()?;
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("faults".into()), MountOption::NoAtime];
        config.n_threads = Some(4);
        config.clone_fd = true;
        let mount = Mount::new(Arc::clone(&self.volume));
        self.session = Some(fuser::spawn_mount(mount, &self.place, &config)?);
        Ok(())
    }

    fn unmount(&mut self) -> io::Result<()> {
        let Some(session) = self.session.take() else { return Ok(()) };
        let began = Instant::now();
        while let Err(error) =
            rustix::mount::unmount(&self.place, rustix::mount::UnmountFlags::empty())
        {
            if began.elapsed() > LET_GO_WITHIN {
                self.session = Some(session);
                return Err(error.into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        session.join()
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        lock(&self.volume).used()
    }

    /// Gives it a size in bytes, or none. What is there stays.
    pub fn set_room(&self, bytes: Option<u64>) {
        lock(&self.volume).room = bytes.map(|bytes| bytes / PAGE as u64);
    }

    /// How long each sync takes: a random time in between.
    pub fn set_delay(&self, least: Duration, most: Duration) {
        lock(&self.volume).delay = (least, most);
    }

    /// From now on a sync of files whose names begin so does nothing and says that it did;
    /// with none, no sync does that.
    pub fn ignore_syncs(&self, of: Option<String>) {
        lock(&self.volume).ignored = of;
    }

    /// Makes all durable, as a kernel does some time after the writes.
    pub fn write_back(&self) {
        lock(&self.volume).persist_all();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            eprintln!("{} stays mounted: {error}", self.place.display());
        }
    }
}
