//! Migrations: ordered, embedded, transactional, append-only.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{Error, configure};

/// The migrations of one database; its version is how many were applied.
pub struct Schema {
    migrations: &'static [&'static str],
    /// Whether Litestream replicates it.
    pub(super) replicated: bool,
}

/// Of `data.db`.
pub(super) static DATA: Schema =
    Schema { migrations: &[include_str!("migrations/data/0001_init.sql")], replicated: true };

/// Of `ttl.db`.
pub(super) static TTL: Schema =
    Schema { migrations: &[include_str!("migrations/ttl/0001_init.sql")], replicated: false };

/// What [`Schema::prepare`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepared {
    /// Whether the file was made.
    pub created: bool,
    /// Version before.
    pub from: i64,
    /// Version now.
    pub to: i64,
}

impl Schema {
    fn version(&self) -> i64 {
        i64::try_from(self.migrations.len()).expect("migrations are few")
    }

    /// Passes `conn` on when its file has exactly this version.
    pub(super) fn check(&self, conn: Connection, path: &Path) -> Result<Connection, Error> {
        let (found, known, path) = (user_version(&conn)?, self.version(), path.to_owned());
        match found.cmp(&known) {
            std::cmp::Ordering::Less => Err(Error::Older { path, found, known }),
            std::cmp::Ordering::Equal => Ok(conn),
            std::cmp::Ordering::Greater => Err(Error::Newer { path, found, known }),
        }
    }

    /// Creates the file when it is absent, and applies what is missing.
    pub(super) fn prepare(&self, path: &Path) -> Result<Prepared, Error> {
        let created = !path.exists();
        let open = |source| Error::Open { path: path.to_owned(), source };
        let mut conn = Connection::open_with_flags(path, OpenFlags::default()).map_err(open)?;
        let from = user_version(&conn)?;
        if from > self.version() {
            return Err(Error::Newer { path: path.to_owned(), found: from, known: self.version() });
        }
        conn.pragma_update(None, "journal_mode", "WAL")?;
        configure(&conn, self)?;
        self.migrate(&mut conn)?;
        Ok(Prepared { created, from, to: self.version() })
    }

    fn migrate(&self, conn: &mut Connection) -> Result<(), Error> {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = usize::try_from(user_version(&tx)?).unwrap_or(0);
        for migration in self.migrations.iter().skip(done) {
            tx.execute_batch(migration)?;
        }
        tx.pragma_update(None, "user_version", self.version())?;
        Ok(tx.commit()?)
    }
}

fn user_version(conn: &Connection) -> Result<i64, Error> {
    Ok(conn.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("schema-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir.join("data.db")
    }

    #[test]
    fn preparing_twice_changes_nothing_the_second_time() {
        let path = file("twice");
        let first = DATA.prepare(&path).unwrap();
        let second = DATA.prepare(&path).unwrap();
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        assert_eq!((first.created, first.from, first.to), (true, 0, DATA.version()));
        assert_eq!((second.created, second.from), (false, DATA.version()));
    }

    #[test]
    fn a_newer_database_is_refused_and_left_untouched() {
        let path = file("newer");
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let before = std::fs::read(&path).unwrap();
        let refused = DATA.prepare(&path);
        let after = std::fs::read(&path).unwrap();
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        assert!(matches!(refused, Err(Error::Newer { found: 99, .. })));
        assert_eq!(before, after);
    }
}
