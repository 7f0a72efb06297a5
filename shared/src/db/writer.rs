//! One writing connection a process, with group commit.
//!
//! SQLite has one writer at a time and a synced commit costs a disk flush. So
//! the changes that wait while one is being flushed share the next flush: each
//! runs in a savepoint of one transaction, and each is answered after its
//! commit, alone with its own result.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Error;
use crate::time::Instant;

/// Changes that share one flush at most; bounds how long the first one waits.
const GROUP: usize = 128;

/// A transaction under way.
pub struct Tx<'a> {
    conn: &'a Connection,
    now: Instant,
    origin: &'a str,
    outbox: Cell<bool>,
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

    /// Has the relay woken after the commit.
    pub(super) fn outbox_filled(&self) {
        self.outbox.set(true);
    }

    /// Runs `change` so that its failure undoes it alone.
    ///
    /// # Errors
    /// Those of `change`, and of the savepoint itself.
    pub fn savepoint<T, E: From<Error>>(
        &self,
        change: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.statement("SAVEPOINT one")?;
        match change(self) {
            Ok(value) => self.statement("RELEASE one").map(|()| value).map_err(E::from),
            Err(error) => {
                self.undo_savepoint();
                Err(error)
            }
        }
    }

    /// Undoes the innermost savepoint. SQLite undoes the whole transaction by
    /// itself when the disk is full; then there is none left, and the commit
    /// that follows fails and tells everyone.
    fn undo_savepoint(&self) {
        if let Err(error) = self.statement("ROLLBACK TO one; RELEASE one") {
            tracing::warn!(%error, "a savepoint was gone before it could be undone");
        }
    }

    fn statement(&self, sql: &str) -> Result<(), Error> {
        Ok(self.conn.execute_batch(sql)?)
    }
}

/// A change on its way through the writing thread.
trait Change: Send {
    /// Runs it in the group's transaction.
    fn run(&mut self, tx: &Tx<'_>);
    /// Tells the caller, once it is known whether the group was committed.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

struct Pending<T, E, F> {
    change: Option<F>,
    result: Result<T, E>,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Change for Pending<T, E, F>
where
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) {
        if let Some(change) = self.change.take() {
            self.result = tx.savepoint(change);
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let result = committed.map_err(E::from).and(self.result);
        // A caller that went away has nobody to tell; its change stands.
        let _ = self.caller.send(result);
    }
}

/// Handle to the writing thread; it ends when the last handle is dropped.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Box<dyn Change>>,
}

impl Writer {
    pub(super) fn start(
        name: &str,
        conn: Connection,
        origin: Arc<str>,
        on_outbox: impl Fn() + Send + 'static,
    ) -> Self {
        let (queue, waiting) = mpsc::channel::<Box<dyn Change>>();
        let run = move || {
            while let Ok(first) = waiting.recv() {
                let group = std::iter::once(first).chain(waiting.try_iter()).take(GROUP);
                if commit_group(&conn, &origin, group.collect()) {
                    on_outbox();
                }
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
        let pending = Pending { change: Some(change), result, caller };
        self.queue.send(Box::new(pending)).map_err(|_| Error::WriterGone)?;
        answered.await.unwrap_or_else(|_| Err(Error::WriterGone.into()))
    }
}

/// Commits a group and answers it; true when the outbox was filled.
fn commit_group(conn: &Connection, origin: &str, mut group: Vec<Box<dyn Change>>) -> bool {
    let tx = Tx { conn, now: Instant::now(), origin, outbox: Cell::new(false) };
    let committed = run_group(&tx, &mut group).map_err(|error| {
        tracing::error!(%error, changes = group.len(), "a transaction was not committed");
        if !conn.is_autocommit() {
            let _already_reported = conn.execute_batch("ROLLBACK");
        }
        Arc::new(error)
    });
    let filled = committed.is_ok() && tx.outbox.get();
    for change in group {
        change.answer(committed.clone().map_err(Error::Commit));
    }
    filled
}

fn run_group(tx: &Tx<'_>, group: &mut [Box<dyn Change>]) -> rusqlite::Result<()> {
    tx.conn.execute_batch("BEGIN IMMEDIATE")?;
    for change in group.iter_mut() {
        if catch_unwind(AssertUnwindSafe(|| change.run(tx))).is_err() {
            tracing::error!("the code of a transaction panicked; it alone is undone");
            tx.undo_savepoint();
        }
    }
    tx.conn.execute_batch("COMMIT")
}
