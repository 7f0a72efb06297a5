//! Who wrote a row of the outbox, and whether its relay is there.
//!
//! Each relay holds a lock on a file of its own under `relays/`. The system
//! lets go of it when the process ends, however it ends: so a lock that can be
//! had tells of rows that nobody sends any more. Rows of a process that has no
//! relay, such as a command, have no file at all.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::remove;

/// Beside the database.
const DIR: &str = "relays";

/// Says that the relay of a process is there, as long as it is held.
#[derive(Debug)]
pub struct Presence {
    name: Arc<str>,
    dir: PathBuf,
    _lock: File,
}

impl Presence {
    /// Of the process `name`, at the database in `data_dir`.
    pub(super) fn new(data_dir: &Path, name: Arc<str>) -> io::Result<Self> {
        let dir = data_dir.join(DIR);
        fs::create_dir_all(&dir)?;
        let lock = File::create(dir.join(&*name))?;
        lock.try_lock()?;
        Ok(Self { name, dir, _lock: lock })
    }

    /// The processes whose relays are there, this one among them. The files of
    /// those that are gone are removed with it.
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub fn living(&self) -> io::Result<Vec<String>> {
        let mut living = vec![self.name.to_string()];
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == *self.name {
                continue;
            }
            if is_held(&entry.path())? {
                living.push(name);
            } else {
                remove(&entry.path())?;
            }
        }
        Ok(living)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // Left behind, it is removed by the next process that looks.
        let _ = fs::remove_file(self.dir.join(&*self.name));
    }
}

fn is_held(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => match file.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn who_is_gone_is_not_among_the_living() {
        let dir = std::env::temp_dir().join(format!("origins-{}", Uuid::now_v7()));
        let relay = |name: &str| Presence::new(&dir, name.into()).unwrap();
        let (here, there) = (relay("here"), relay("there"));
        assert!(here.living().unwrap().contains(&"there".to_owned()));
        drop(there);
        fs::write(dir.join(DIR).join("crashed"), "").unwrap();
        assert_eq!(here.living().unwrap(), ["here"]);
        fs::remove_dir_all(&dir).unwrap();
    }
}
