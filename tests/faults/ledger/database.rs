//! What `data.db` holds, read beside the programs that write it.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, Result, Row};
use support::site::Site;

/// A job that is begun again is noted within this.
const NOTED: Duration = Duration::from_secs(8);
/// With this note a job is given up: it is not run once more.
const GIVEN_UP: u64 = 3;

/// Everything that the ledger compares.
#[derive(Default)]
pub struct Rows {
    /// By text.
    pub comments: HashMap<String, Vec<Comment>>,
    /// Views that are held, by page.
    pub hits: HashMap<String, u64>,
    /// Views that are shown, by page.
    pub counts: HashMap<String, u64>,
    /// When each job was done, in milliseconds since 1970.
    pub done: HashMap<String, i64>,
    /// Jobs that gave up, and why.
    pub dead: HashMap<String, String>,
    /// By id.
    pub images: HashMap<String, Image>,
    /// Rows of the outbox: ids and bodies.
    pub outbox: Vec<String>,
    /// Keys that are held until their job is over.
    pub keys: usize,
    /// Packs of views that wait for NATS.
    pub spooled: usize,
}

/// A comment as it is kept.
pub struct Comment {
    pub id: String,
    /// Checked, and let through.
    pub approved: bool,
}

/// An image as it is kept.
pub struct Image {
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
    /// Key in the private bucket.
    pub original: String,
    /// Keys in the public bucket.
    pub variants: Vec<String>,
}

impl Rows {
    /// Reads all of it in one transaction.
    pub fn read(data_dir: &Path) -> Result<Self> {
        let mut conn = open(data_dir)?;
        let conn = conn.transaction()?;
        let mut rows = Self { spooled: spooled(data_dir), ..Self::default() };
        rows.comments(&conn)?;
        rows.images(&conn)?;
        let hits = "SELECT path, count(*) FROM hits WHERE path LIKE '/h/%' OR path LIKE '/j/%' \
                    GROUP BY path";
        rows.hits = pairs(&conn, hits)?;
        rows.counts = pairs(&conn, "SELECT path, views FROM view_counts")?;
        rows.done = pairs(&conn, "SELECT id, finished_at FROM job_done")?;
        rows.dead = pairs(&conn, "SELECT id, reason FROM dead_jobs")?;
        rows.outbox = list(&conn, "SELECT msg_id || ' ' || CAST(body AS TEXT) FROM outbox")?;
        rows.keys = list(&conn, "SELECT key FROM unique_jobs WHERE expires_at IS NULL")?.len();
        Ok(rows)
    }

    fn comments(&mut self, conn: &Connection) -> Result<()> {
        let sql = "SELECT body, id, status = 'approved' AND checked_at IS NOT NULL FROM comments";
        each(conn, sql, |row| {
            let comment = Comment { id: row.get(1)?, approved: row.get(2)? };
            self.comments.entry(row.get(0)?).or_default().push(comment);
            Ok(())
        })
    }

    fn images(&mut self, conn: &Connection) -> Result<()> {
        each(conn, "SELECT id, status, error, original FROM images", |row| {
            let (status, error, original) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let image = Image { status, error, original, variants: Vec::new() };
            self.images.insert(row.get(0)?, image);
            Ok(())
        })?;
        each(conn, "SELECT image_id, key FROM image_variants", |row| {
            if let Some(image) = self.images.get_mut(&row.get::<_, String>(0)?) {
                image.variants.push(row.get(1)?);
            }
            Ok(())
        })
    }

    /// Images whose variants are not made.
    pub fn queued_images(&self) -> usize {
        self.images.values().filter(|image| image.status == "queued").count()
    }
}

/// Whether a row of the outbox or a spooled view is on its way.
pub fn is_moving(data_dir: &Path) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM outbox)";
    let waiting: bool = open(data_dir)?.query_row(sql, [], |row| row.get(0))?;
    Ok(waiting || spooled(data_dir) > 0)
}

/// Looks at one job again and again.
pub struct Watch(Connection);

impl Watch {
    /// At the jobs of a site.
    pub fn open(site: &Site) -> Self {
        Self(open(&site.path("data_dir")).expect("data.db can be read"))
    }

    /// Waits until it is noted that the job is begun again for the `times`th time, since when
    /// it runs; false when that is its last time, or nothing is noted.
    pub fn is_begun(&self, job: &str, times: u64) -> bool {
        let end = Instant::now() + NOTED;
        while Instant::now() < end {
            match self.begun(job) {
                noted if noted >= GIVEN_UP => return false,
                noted if noted >= times => return true,
                _ => std::thread::sleep(Duration::from_micros(50)),
            }
        }
        false
    }

    fn begun(&self, job: &str) -> u64 {
        self.ask("SELECT coalesce(sum(times), 0) FROM job_begun WHERE job_id = ?1", job)
            .unwrap_or(0)
    }

    /// Whether it is done.
    pub fn is_done(&self, job: &str) -> bool {
        self.ask("SELECT count(*) FROM job_done WHERE id = ?1", job) == Some(1)
    }

    /// Whether it is among the dead.
    pub fn is_dead(&self, job: &str) -> bool {
        self.ask("SELECT count(*) FROM dead_jobs WHERE id = ?1", job) == Some(1)
    }

    fn ask(&self, sql: &str, job: &str) -> Option<u64> {
        self.0.prepare_cached(sql).ok()?.query_row([job], |row| row.get(0)).ok()
    }
}

fn open(data_dir: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(data_dir.join("data.db"), flags)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    Ok(conn)
}

/// Packs in the spool; one that was being written when its process died is none: nobody was
/// told that it is kept.
fn spooled(data_dir: &Path) -> usize {
    let entries = std::fs::read_dir(data_dir.join("spool")).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().extension().is_none_or(|it| it != "part")).count()
}

fn each(conn: &Connection, sql: &str, mut take: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}

fn list(conn: &Connection, sql: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    each(conn, sql, |row| {
        found.push(row.get(0)?);
        Ok(())
    })?;
    Ok(found)
}

fn pairs<T: rusqlite::types::FromSql>(conn: &Connection, sql: &str) -> Result<HashMap<String, T>> {
    let mut found = HashMap::new();
    each(conn, sql, |row| {
        found.insert(row.get(0)?, row.get(1)?);
        Ok(())
    })?;
    Ok(found)
}
