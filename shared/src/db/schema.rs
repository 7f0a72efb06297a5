//! Migrations: ordered, embedded, transactional, append-only.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{Error, configure, open};

/// The migrations of one database; its version is how many were applied.
pub struct Schema {
    migrations: &'static [&'static str],
    /// Whether Litestream replicates it.
    pub(super) replicated: bool,
}

/// Of `data.db`.
pub(super) static DATA: Schema = Schema {
    migrations: &[
        include_str!("migrations/data/0001_init.sql"),
        include_str!("migrations/data/0002_comment_rules.sql"),
        include_str!("migrations/data/0003_queue.sql"),
        include_str!("migrations/data/0004_drills.sql"),
        include_str!("migrations/data/0005_sources.sql"),
        include_str!("migrations/data/0006_begun.sql"),
        include_str!("migrations/data/0007_outbox_counter.sql"),
        include_str!("migrations/data/0008_queue_truths.sql"),
        include_str!("migrations/data/0010_job_done_by_time.sql"),
        include_str!("migrations/data/0011_orders.sql"),
        include_str!("migrations/data/0012_results_and_periodic.sql"),
        include_str!("migrations/data/0013_watch_tokens.sql"),
        include_str!("migrations/data/0014_dead_alerts.sql"),
    ],
    replicated: true,
};

/// Of `ttl.db`.
pub(super) static TTL: Schema = Schema {
    migrations: &[
        include_str!("migrations/ttl/0001_init.sql"),
        include_str!("migrations/ttl/0002_comment_pages.sql"),
    ],
    replicated: false,
};

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
            std::cmp::Ordering::Equal => {
                self.allow_checkpoint_on_close(&conn)?;
                Ok(conn)
            }
            std::cmp::Ordering::Greater => Err(Error::Newer { path, found, known }),
        }
    }

    /// Refuses a file of a newer version; one that is absent is fine. Neither
    /// the file nor its WAL is changed.
    pub(super) fn refuse_newer(&self, path: &Path) -> Result<(), Error> {
        if path.exists() { self.open_known(path).map(|_| ()) } else { Ok(()) }
    }

    /// Creates the file when it is absent, and applies what is missing.
    pub(super) fn prepare(&self, path: &Path) -> Result<Prepared, Error> {
        let created = !path.exists();
        let (mut conn, from) = self.open_known(path)?;
        self.allow_checkpoint_on_close(&conn)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        configure(&mut conn, self)?;
        self.migrate(&mut conn)?;
        Ok(Prepared { created, from, to: self.version() })
    }

    /// Opens a file whose version is at most this one, and says which it is.
    fn open_known(&self, path: &Path) -> Result<(Connection, i64), Error> {
        let failed = |source| Error::Open { path: path.to_owned(), source };
        let conn = open(path, OpenFlags::default()).map_err(failed)?;
        let (found, known) = (user_version(&conn)?, self.version());
        if found > known {
            return Err(Error::Newer { path: path.to_owned(), found, known });
        }
        Ok((conn, found))
    }

    /// Once the version is known to be ours, the last connection of a database
    /// that nobody replicates may tidy its WAL away.
    fn allow_checkpoint_on_close(&self, conn: &Connection) -> Result<(), Error> {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, self.replicated)?;
        Ok(())
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

    /// The bytes of a database and of its WAL.
    fn bytes(path: &Path) -> (Vec<u8>, Vec<u8>) {
        let wal = path.with_extension("db-wal");
        (std::fs::read(path).unwrap(), std::fs::read(wal).unwrap())
    }

    /// Makes a database of version 99 whose WAL holds what its file does not,
    /// as after a kill -9.
    fn killed_newer(path: &Path) {
        let conn = open(path, OpenFlags::default()).unwrap();
        conn.pragma_update(None, "journal_mode", "WAL").unwrap();
        conn.pragma_update(None, "user_version", 99).unwrap();
        conn.execute_batch("CREATE TABLE newer (id INTEGER); INSERT INTO newer VALUES (1)")
            .unwrap();
    }

    #[test]
    fn a_newer_database_and_its_wal_are_refused_and_left_untouched() {
        for schema in [&DATA, &TTL] {
            let path = file(if schema.replicated { "newer-data" } else { "newer-ttl" });
            killed_newer(&path);
            let before = bytes(&path);
            let prepared = schema.prepare(&path);
            let opened = super::super::connect(&path, schema).and_then(|c| schema.check(c, &path));
            let after = bytes(&path);
            std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
            assert!(matches!(prepared, Err(Error::Newer { found: 99, .. })), "{prepared:?}");
            assert!(matches!(opened, Err(Error::Newer { found: 99, .. })), "{opened:?}");
            assert!(before.1.len() > 4096, "the WAL holds the changes");
            assert_eq!(before, after);
        }
    }

    #[test]
    fn nothing_is_migrated_or_made_when_the_other_database_is_newer() {
        let path = file("other");
        let dir = path.parent().unwrap();
        killed_newer(&dir.join("ttl.db"));
        let before = bytes(&dir.join("ttl.db"));
        let refused = super::super::prepare(dir);
        let (made, after) = (path.exists(), bytes(&dir.join("ttl.db")));
        std::fs::remove_dir_all(dir).unwrap();
        assert!(matches!(refused, Err(Error::Newer { found: 99, .. })), "{refused:?}");
        assert!(!made, "data.db was made");
        assert_eq!(before, after);
    }
}
