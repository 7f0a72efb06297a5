//! The reading connections of a process.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{Error, Schema, connect};

/// Reads at once at most: more would only wait for the same two cores.
const CONNECTIONS: usize = 4;

/// A pool of connections that only read; opened as needed, then kept.
#[derive(Clone)]
pub struct Readers {
    pool: Arc<Pool>,
}

struct Pool {
    path: PathBuf,
    schema: &'static Schema,
    idle: Mutex<Vec<Connection>>,
    slots: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, schema: &'static Schema) -> Self {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        Self { pool: Arc::new(Pool { path, schema, idle: Mutex::default(), slots }) }
    }

    /// Runs `query` on a connection, off the async threads.
    ///
    /// # Errors
    /// Those of `query`, or of opening a connection.
    pub async fn read<T, E, F>(&self, query: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let pool = Arc::clone(&self.pool);
        let slot = Arc::clone(&pool.slots).acquire_owned().await;
        let run = move || {
            let _slot = slot;
            let conn = pool.take()?;
            let result = query(&conn);
            pool.give_back(conn);
            result
        };
        tokio::task::spawn_blocking(run).await.unwrap_or_else(|_| Err(Error::Panicked.into()))
    }
}

impl Pool {
    fn take(&self) -> Result<Connection, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.open(), Ok)
    }

    fn open(&self) -> Result<Connection, Error> {
        let conn = connect(&self.path, self.schema)?;
        conn.pragma_update(None, "query_only", true)?;
        Ok(conn)
    }

    fn give_back(&self, conn: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Data, Ttl, Writer};
    use super::*;

    /// SQLite's number for FULL.
    const FULL: i64 = 2;

    fn synchronous(conn: &Connection) -> Result<i64, Error> {
        Ok(conn.query_row("PRAGMA synchronous", [], |row| row.get(0))?)
    }

    async fn of_each(writer: &Writer, readers: &Readers) -> [i64; 2] {
        let writes = writer.write(|tx| synchronous(tx.conn())).await.unwrap();
        [writes, readers.read(synchronous).await.unwrap()]
    }

    #[tokio::test]
    async fn invariant_2_every_connection_flushes_what_it_commits() {
        let dir = std::env::temp_dir().join(format!("readers-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&dir).unwrap();
        super::super::prepare(&dir).unwrap();
        let (data, ttl) = (Data::open(&dir).unwrap(), Ttl::open(&dir).unwrap());
        let found = [
            of_each(data.writer(), data.readers()).await,
            of_each(ttl.writer(), ttl.readers()).await,
        ];
        std::fs::remove_dir_all(dir).unwrap();
        assert_eq!(found, [[FULL; 2]; 2]);
    }
}
