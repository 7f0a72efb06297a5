//! What a job made that ran without a database.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use crate::db::{Error, Tx};
use crate::envelope::{Envelope, Untyped};

/// A longer result is not kept: it goes where the queue's `results` say, and no
/// further.
const KEPT: usize = 64 * 1024;

/// What a job made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Made {
    /// Bytes of it, as JSON.
    pub bytes: i64,
    /// It; none when it has more than 65,536 bytes.
    pub value: Option<Untyped>,
}

/// Keeps what the job has made, in the transaction that marks it done.
///
/// # Errors
/// When the row cannot be written.
pub fn keep_made<P>(tx: &Tx<'_>, job: &Envelope<P>, made: &impl Serialize) -> Result<(), Error> {
    let json = Untyped::of(made);
    let bytes = json.as_str().len();
    let kept = (bytes <= KEPT).then(|| json.as_str());
    let sql = "INSERT INTO job_results (job_id, at, bytes, result) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT DO NOTHING";
    let row = params![job.id.to_string(), tx.now(), bytes as i64, kept];
    tx.conn().prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// What the job `id` made, if that is known.
pub(super) fn select(conn: &Connection, id: &str) -> Result<Option<Made>, Error> {
    let sql = "SELECT bytes, result FROM job_results WHERE job_id = ?1";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?));
    let found: Option<(i64, Option<String>)> = conn.query_row(sql, [id], read).optional()?;
    let Some((bytes, text)) = found else { return Ok(None) };
    let corrupt = |value: String| Error::Corrupt { value, expected: "the result of a job" };
    let value = text.map(|text| serde_json::from_str(&text).map_err(|_| corrupt(text)));
    Ok(Some(Made { bytes, value: value.transpose()? }))
}
