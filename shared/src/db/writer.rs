//! One writing connection a process, with group commit.
//!
//! SQLite has one writer at a time and a synced commit costs a disk flush. So
//! the changes that wait while one is being flushed share the next flush: each
//! runs in a savepoint of one transaction, and each is answered after its
//! commit, alone with its own result.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant as Clock};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Error;
use super::fresh::Fresh;
use super::outbox::Row;
use crate::time::Instant;

/// Changes that share one flush at most; bounds how long the first one waits.
const GROUP: usize = 128;
/// The longest a change that nobody waits for is held back.
const LATER: Duration = Duration::from_millis(20);

/// A transaction under way.
pub struct Tx<'a> {
    conn: &'a Connection,
    now: Instant,
    origin: &'a str,
    /// What it puts to the outbox to be sent at once.
    sends: RefCell<Vec<Row>>,
    /// The next place in the outbox, once one was asked for.
    place: Cell<Option<i64>>,
}

impl Tx<'_> {
    /// The one moment at which everything in this transaction happens.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    pub(super) fn conn(&self) -> &Connection {
        self.conn
    }

    pub(super) fn origin(&self) -> &str {
        self.origin
    }

    /// A place in the outbox that was never used before.
    pub(super) fn take_place(&self) -> Result<i64, Error> {
        let place = match self.place.get() {
            Some(place) => place,
            None => {
                let next = "SELECT next FROM outbox_counter";
                self.conn.prepare_cached(next)?.query_row([], |row| row.get(0))?
            }
        };
        self.place.set(Some(place + 1));
        Ok(place)
    }

    /// Writes down which places of the outbox are taken.
    fn keep_place(&self) -> rusqlite::Result<()> {
        if let Some(next) = self.place.get() {
            let keep = "UPDATE outbox_counter SET next = ?1";
            self.conn.prepare_cached(keep)?.execute([next])?;
        }
        Ok(())
    }

    /// Has the relay send a row of the outbox after the commit.
    pub(super) fn sends(&self, row: Row) {
        self.sends.borrow_mut().push(row);
    }

    /// Runs `change` so that its failure undoes it alone.
    ///
    /// # Errors
    /// Those of `change`, and of the savepoint itself; [`Error::RolledBack`]
    /// when the transaction is gone already: a savepoint outside of one would
    /// begin its own, and its release would commit it.
    pub fn savepoint<T, E: From<Error>>(
        &self,
        change: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.is_gone() {
            return Err(Error::RolledBack.into());
        }
        self.statement("SAVEPOINT one")?;
        let sends = self.sends.borrow().len();
        match change(self) {
            Ok(value) => self.statement("RELEASE one").map(|()| value).map_err(E::from),
            Err(error) => {
                self.undo_savepoint(sends);
                Err(error)
            }
        }
    }

    /// Whether SQLite has undone the whole transaction by itself, as it does
    /// when the disk is full or fails.
    fn is_gone(&self) -> bool {
        self.conn.is_autocommit()
    }

    /// Undoes the innermost savepoint, unless it went with its transaction;
    /// before it, `sends` rows were to be sent.
    fn undo_savepoint(&self, sends: usize) {
        self.sends.borrow_mut().truncate(sends);
        if self.is_gone() {
            return;
        }
        let undone = self.statement("ROLLBACK TO one").and_then(|()| self.statement("RELEASE one"));
        if let Err(error) = undone {
            tracing::warn!(%error, "a savepoint could not be undone");
        }
    }

    fn statement(&self, sql: &str) -> Result<(), Error> {
        self.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

/// A change on its way through the writing thread.
trait Change: Send {
    /// Runs it in the group's transaction.
    fn run(&mut self, tx: &Tx<'_>);
    /// Tells the caller, once it is known whether the group was committed.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

struct Pending<T, E, F, A> {
    change: Option<F>,
    result: Result<T, E>,
    tell: A,
}

impl<T, E, F, A> Change for Pending<T, E, F, A>
where
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send,
    A: FnOnce(Result<T, E>) + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) {
        if let Some(change) = self.change.take() {
            self.result = tx.savepoint(change);
        }
    }

    /// A change that failed by itself hears its own error: it says more than
    /// what became of the group, such as that the disk is full.
    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let failed_itself = self.change.is_none() && self.result.is_err();
        let result = match committed {
            Err(error) if !failed_itself => Err(error.into()),
            _ => self.result,
        };
        (self.tell)(result);
    }
}

/// A change, and whether somebody waits for it.
enum Entry {
    /// It is flushed at once.
    Now(Box<dyn Change>),
    /// It is flushed with the next change that is, or after [`LATER`].
    Later(Box<dyn Change>),
}

/// Handle to the writing thread; it ends when the last handle is dropped.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Entry>,
}

impl Writer {
    pub(super) fn start(name: &str, conn: Connection, origin: Arc<str>, fresh: Arc<Fresh>) -> Self {
        let (queue, waiting) = mpsc::channel();
        let run = move || {
            while let Some(group) = next_group(&waiting) {
                commit_group(&conn, &origin, group, &fresh);
            }
        };
        std::thread::Builder::new()
            .name(format!("writer {name}"))
            .spawn(run)
            .expect("a thread can be started when the process starts");
        Self { queue }
    }

    /// Runs `change` in a transaction and answers when it is on disk.
    ///
    /// The change goes on when the caller is dropped meanwhile.
    ///
    /// # Errors
    /// Those of `change`, which then left no trace; or why it could not be
    /// committed.
    pub async fn write<T, E, F>(&self, change: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (caller, answered) = oneshot::channel();
        // Stands when the change panics before it has a result of its own.
        let result = Err(Error::Panicked.into());
        let tell = |result| {
            // A caller that went away has nobody to tell; its change stands.
            let _ = caller.send(result);
        };
        let pending = Box::new(Pending { change: Some(change), result, tell });
        self.queue.send(Entry::Now(pending)).map_err(|_| Error::WriterGone)?;
        answered.await.unwrap_or_else(|_| Err(Error::WriterGone.into()))
    }

    /// Runs `change` when the next change is flushed anyway, or soon: for what
    /// nobody waits for, and what may be lost with the process. `ended` is told
    /// whether it is on disk.
    pub(super) fn later<F>(&self, change: F, ended: impl FnOnce(bool) + Send + 'static)
    where
        F: FnOnce(&Tx<'_>) -> Result<(), Error> + Send + 'static,
    {
        let tell = |result: Result<(), Error>| {
            if let Err(error) = &result {
                tracing::warn!(%error, "a change that nobody waits for was not kept");
            }
            ended(result.is_ok());
        };
        let pending = Pending { change: Some(change), result: Err(Error::Panicked), tell };
        // A thread that is gone takes no change, and nobody waits for one.
        let _ = self.queue.send(Entry::Later(Box::new(pending)));
    }
}

/// The changes that share the next flush; `None` when the last handle is gone.
fn next_group(waiting: &mpsc::Receiver<Entry>) -> Option<Vec<Box<dyn Change>>> {
    let mut group = Vec::new();
    let mut until: Option<Clock> = None;
    loop {
        let next = match until {
            None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => waiting.recv_timeout(until.saturating_duration_since(Clock::now())),
        };
        match next {
            Ok(Entry::Later(change)) if group.len() < GROUP => {
                until = until.or_else(|| Some(Clock::now() + LATER));
                group.push(change);
            }
            Ok(Entry::Now(change) | Entry::Later(change)) => {
                group.push(change);
                break;
            }
            Err(RecvTimeoutError::Disconnected) if group.is_empty() => return None,
            Err(_) => break,
        }
    }
    let more = GROUP.saturating_sub(group.len());
    let either = |entry| match entry {
        Entry::Now(change) | Entry::Later(change) => change,
    };
    group.extend(waiting.try_iter().take(more).map(either));
    Some(group)
}

/// Commits a group, hands over what it sends, and answers it.
fn commit_group(conn: &Connection, origin: &str, mut group: Vec<Box<dyn Change>>, fresh: &Fresh) {
    let tx =
        Tx { conn, now: Instant::now(), origin, sends: RefCell::default(), place: Cell::default() };
    let committed = run_group(&tx, &mut group).map_err(|error| {
        tracing::error!(%error, changes = group.len(), "a transaction was not committed");
        if !conn.is_autocommit() {
            let _already_reported = conn.execute_batch("ROLLBACK");
        }
        Arc::new(error)
    });
    let sends = tx.sends.into_inner();
    if committed.is_ok() && !sends.is_empty() {
        fresh.add(sends);
    }
    for change in group {
        change.answer(committed.clone().map_err(Error::Commit));
    }
}

fn run_group(tx: &Tx<'_>, group: &mut [Box<dyn Change>]) -> rusqlite::Result<()> {
    tx.conn.execute_batch("BEGIN IMMEDIATE")?;
    for change in group.iter_mut() {
        let sends = tx.sends.borrow().len();
        if catch_unwind(AssertUnwindSafe(|| change.run(tx))).is_err() {
            tracing::error!("the code of a transaction panicked; it alone is undone");
            tx.undo_savepoint(sends);
        }
        if tx.is_gone() {
            return Err(gone());
        }
    }
    tx.keep_place()?;
    tx.conn.execute_batch("COMMIT")
}

/// What the other changes of a group hear when SQLite undid its transaction.
fn gone() -> rusqlite::Error {
    let why = "another change made SQLite undo the transaction that it shared with this one";
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK);
    rusqlite::Error::SqliteFailure(code, Some(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = oneshot::Receiver<Result<(), Error>>;

    fn change(
        change: impl FnOnce(&Tx<'_>) -> Result<(), Error> + Send + 'static,
    ) -> (Box<dyn Change>, Answer) {
        let (caller, answer) = oneshot::channel();
        let result = Err(Error::Panicked);
        let tell = |result| {
            let _ = caller.send(result);
        };
        (Box::new(Pending { change: Some(change), result, tell }), answer)
    }

    fn add(bytes: usize) -> (Box<dyn Change>, Answer) {
        change(move |tx| {
            tx.conn().execute("INSERT INTO kept VALUES (zeroblob(?1))", [bytes])?;
            Ok(())
        })
    }

    /// A database that is full after some forty pages.
    fn small(name: &str) -> (Connection, std::path::PathBuf) {
        let dir = std::env::temp_dir().join(format!("writer-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let conn = Connection::open(dir.join("small.db")).unwrap();
        conn.pragma_update(None, "journal_mode", "WAL").unwrap();
        conn.execute_batch("CREATE TABLE kept (it BLOB)").unwrap();
        conn.query_row("PRAGMA max_page_count = 40", [], |_| Ok(())).unwrap();
        (conn, dir)
    }

    fn kept(conn: &Connection) -> i64 {
        conn.query_row("SELECT count(*) FROM kept", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_shares_a_transaction_with_a_change_that_fills_the_disk_is_neither_kept_nor_confirmed() {
        let (conn, dir) = small("full");
        let (changes, answers): (Vec<_>, Vec<_>) =
            [add(10), add(1_000_000), add(10), add(10)].into_iter().unzip();
        let fresh = Fresh::default();
        fresh.want();
        commit_group(&conn, "", changes, &fresh);
        let answers: Vec<_> =
            answers.into_iter().map(|mut it| it.try_recv().unwrap().unwrap_err()).collect();
        let after = kept(&conn);
        assert!(conn.is_autocommit());
        let (next, mut answer) = add(10);
        commit_group(&conn, "", vec![next], &Fresh::default());
        let later = (answer.try_recv().unwrap().is_ok(), kept(&conn));
        std::fs::remove_dir_all(dir).unwrap();
        assert!(fresh.take().unwrap().is_empty() && answers[1].is_disk_full(), "{answers:?}");
        assert!(answers.iter().all(Error::is_unavailable), "{answers:?}");
        assert_eq!((after, later), (0, (true, 1)));
    }

    #[test]
    fn a_change_that_fails_by_itself_is_undone_alone() {
        let (conn, dir) = small("alone");
        let refuse = change(|tx| {
            tx.conn().execute("INSERT INTO kept VALUES (zeroblob(10))", [])?;
            Err(Error::WriterGone)
        });
        let panic = change(|_| panic!("as the test wants"));
        let (changes, mut answers): (Vec<_>, Vec<_>) =
            [add(10), refuse, panic, add(10)].into_iter().unzip();
        commit_group(&conn, "", changes, &Fresh::default());
        let answers: Vec<_> = answers.iter_mut().map(|it| it.try_recv().unwrap().is_ok()).collect();
        let after = kept(&conn);
        std::fs::remove_dir_all(dir).unwrap();
        assert_eq!((answers, after), (vec![true, false, false, true], 2));
    }
}
