//! Packs on disk while NATS is away: one file each, synced, named by its id.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use shared::bus::{Bus, Message, PublishError};
use shared::files::remove;
use shared::jobs::Job as _;
use shared::jobs::views::CountViews;

/// Of a pack that is whole.
const WHOLE: &str = "pack";
/// Of a pack that is being written.
const PART: &str = "part";
/// Of a pack that NATS can never take: it is kept, and seen by nobody else.
const UNFIT: &str = "unfit";

/// The directory of packs.
#[derive(Clone)]
pub(super) struct Spool {
    dir: PathBuf,
}

/// Why a pack stays in the spool.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpoolError {
    #[error("the spool cannot be read or written: {0}")]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Writing a pack takes milliseconds: a part that is older has nobody who writes
/// it. Another process with the same directory may be at work, hence not at once.
pub(super) const STALE: Duration = Duration::from_secs(60);

impl Spool {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("spool") }
    }

    /// Removes what processes that were killed had half written. Its views were
    /// not answered: their visitors were never told that they are stored.
    pub(super) async fn forget_leftovers(&self) -> io::Result<()> {
        let dir = self.dir.clone();
        blocking(move || {
            let parts = files(&dir, PART)?;
            parts.iter().filter(|path| is_older(path, STALE)).try_for_each(|path| remove(path))
        })
        .await
    }

    /// Keeps a pack; it is on disk, name and all, when this returns.
    pub(super) async fn put(&self, pack: Message) -> io::Result<()> {
        let dir = self.dir.clone();
        blocking(move || write(&dir, &pack)).await
    }

    /// Sends every pack, oldest first, and deletes it once it is stored. One
    /// that can never be stored is set aside, so that the others go on.
    pub(super) async fn empty_into(&self, bus: &Bus) -> Result<(), SpoolError> {
        let dir = self.dir.clone();
        for path in blocking(move || packs(&dir)).await? {
            let file = path.clone();
            // Another process with the same directory may have sent it.
            let Some(pack) = blocking(move || read(&file)).await? else {
                continue;
            };
            match bus.publish(&pack).await {
                Ok(()) => blocking(move || remove(&path)).await?,
                Err(PublishError::Unfit(problem)) => {
                    tracing::error!(problem, path = %path.display(), "page views are set aside");
                    blocking(move || fs::rename(&path, path.with_extension(UNFIT))).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn write(dir: &Path, pack: &Message) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let whole = dir.join(format!("{}.{WHOLE}", pack.msg_id));
    let part = whole.with_extension(PART);
    let mut file = File::create(&part)?;
    file.write_all(&pack.body)?;
    file.sync_all()?;
    fs::rename(&part, &whole)?;
    File::open(dir)?.sync_all()
}

fn packs(dir: &Path) -> io::Result<Vec<PathBuf>> {
    files(dir, WHOLE)
}

fn files(dir: &Path, kind: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths: Result<Vec<PathBuf>, io::Error> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut files = paths?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == kind));
    files.sort();
    Ok(files)
}

fn is_older(path: &Path, age: Duration) -> bool {
    let written = fs::metadata(path).and_then(|known| known.modified());
    written.is_ok_and(|at| at.elapsed().is_ok_and(|passed| passed >= age))
}

fn read(path: &Path) -> io::Result<Option<Message>> {
    let body = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        body => body?,
    };
    let msg_id = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let (msg_id, subject) = (msg_id.unwrap_or_default(), CountViews::subject());
    Ok(Some(Message { msg_id, subject, body: body.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_killed_process_had_half_written_is_removed_and_nothing_else() {
        let data = std::env::temp_dir().join(format!("spool-{}", uuid::Uuid::now_v7()));
        let spool = Spool::new(&data);
        spool.forget_leftovers().await.unwrap();
        fs::create_dir_all(&spool.dir).unwrap();
        let old = std::time::SystemTime::now() - STALE * 2;
        for (name, age) in [("a.1.part", true), ("b.1.part", false), ("c.1.pack", true)] {
            let file = File::create(spool.dir.join(name)).unwrap();
            if age {
                file.set_modified(old).unwrap();
            }
        }
        spool.forget_leftovers().await.unwrap();
        let left = ["a.1.part", "b.1.part", "c.1.pack"].map(|name| spool.dir.join(name).exists());
        fs::remove_dir_all(&data).unwrap();
        assert_eq!(left, [false, true, true]);
    }

    #[test]
    fn a_pack_is_read_as_it_was_written_and_a_half_one_is_not_seen() {
        let dir = std::env::temp_dir().join(format!("spool-{}", std::process::id()));
        let body = b"{}".as_slice().into();
        let pack = Message { msg_id: "a.1".into(), subject: CountViews::subject(), body };
        write(&dir, &pack).unwrap();
        fs::write(dir.join("b.1.part"), "{").unwrap();
        let found: Vec<_> = packs(&dir).unwrap().iter().map(|path| read(path).unwrap()).collect();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(found, [Some(pack)]);
    }
}
