//! A disk in a process of its own. One that maps files of a disk which it serves itself may
//! wait for its own answer for ever; so the ledger and the disk must not share a process.

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use stack::TempDir;

use crate::disk::Disk;

/// What a disk is told to do, a line of JSON each; it answers with a number, or a problem.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    Cut { seed: u64, survival: f64 },
    MountAgain,
    SetRoom(Option<u64>),
    SetDelay(Duration, Duration),
    IgnoreSyncs(Option<String>),
    WriteBack,
    Used,
}

type Answer = Result<u64, String>;

/// A disk that another process serves; it goes with this value.
pub struct DiskProcess {
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

/// Whether this process may mount file systems of its own.
pub fn can_mount() -> bool {
    TempDir::new().is_ok_and(|dir| DiskProcess::mount(&dir.path().join("disk")).is_ok())
}

impl DiskProcess {
    /// Starts this program once more, to call [`serve`], and waits until the disk is mounted.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn mount(place: &Path) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("--disk").arg(place).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, answers) = pipes.ok_or_else(|| io::Error::other("no pipes"))?;
        let pipes = Mutex::new((orders, BufReader::new(answers)));
        let disk = Self { child, pipes };
        disk.ask(&Order::WriteBack)?;
        Ok(disk)
    }

    /// As [`Disk::cut`].
    pub fn cut(&self, rng: &mut Rng, survival: f64) -> io::Result<()> {
        self.ask(&Order::Cut { seed: rng.u64(..), survival }).map(drop)
    }

    /// As [`Disk::mount_again`].
    pub fn mount_again(&self) -> io::Result<()> {
        self.ask(&Order::MountAgain).map(drop)
    }

    /// As [`Disk::set_room`].
    pub fn set_room(&self, bytes: Option<u64>) -> io::Result<()> {
        self.ask(&Order::SetRoom(bytes)).map(drop)
    }

    /// As [`Disk::set_delay`].
    pub fn set_delay(&self, least: Duration, most: Duration) -> io::Result<()> {
        self.ask(&Order::SetDelay(least, most)).map(drop)
    }

    /// As [`Disk::ignore_syncs`].
    pub fn ignore_syncs(&self, of: Option<&str>) -> io::Result<()> {
        self.ask(&Order::IgnoreSyncs(of.map(str::to_owned))).map(drop)
    }

    /// As [`Disk::write_back`].
    pub fn write_back(&self) -> io::Result<()> {
        self.ask(&Order::WriteBack).map(drop)
    }

    /// As [`Disk::used`].
    pub fn used(&self) -> io::Result<u64> {
        self.ask(&Order::Used)
    }

    fn ask(&self, order: &Order) -> io::Result<u64> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let (orders, answers) = &mut *pipes;
        writeln!(orders, "{}", serde_json::to_string(order)?)?;
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let answer: Answer = serde_json::from_str(&line)?;
        answer.map_err(io::Error::other)
    }
}

impl Drop for DiskProcess {
    fn drop(&mut self) {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let _gone = writeln!(pipes.0);
        let _status = self.child.wait();
    }
}

/// Serves a disk until it is told to end, or nobody is there to tell.
///
/// # Errors
/// When it cannot be mounted or told.
pub fn serve(place: &Path) -> io::Result<()> {
    let mut disk = Disk::mount(place)?;
    for line in io::stdin().lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let answer = obey(&mut disk, serde_json::from_str(&line)?);
        println!("{}", serde_json::to_string(&answer)?);
    }
    Ok(())
}

fn obey(disk: &mut Disk, order: Order) -> Answer {
    match order {
        Order::Cut { seed, survival } => disk.cut(&mut Rng::with_seed(seed), survival),
        Order::MountAgain => disk.mount_again().map_err(|error| error.to_string())?,
        Order::SetRoom(bytes) => disk.set_room(bytes),
        Order::SetDelay(least, most) => disk.set_delay(least, most),
        Order::IgnoreSyncs(of) => disk.ignore_syncs(of),
        Order::WriteBack => disk.write_back(),
        Order::Used => return Ok(disk.used()),
    }
    Ok(0)
}
