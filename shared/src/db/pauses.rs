//! Which queues are paused, as it was last said. NATS hands out, so it is told;
//! but what it loses with a consumer stands here.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Data, Error, Tx};

/// Writes down that a queue is paused, or goes on.
///
/// # Errors
/// When it cannot be written.
pub async fn set(data: &Data, queue: String, paused: bool) -> Result<(), Error> {
    data.writer().write(move |tx| set_in(tx, &queue, paused)).await
}

pub(super) fn set_in(tx: &Tx<'_>, queue: &str, paused: bool) -> Result<(), Error> {
    let sql = "INSERT INTO queue_pauses (queue, paused, at) VALUES (?1, ?2, ?3) \
               ON CONFLICT (queue) DO UPDATE SET paused = ?2, at = ?3";
    tx.conn().execute(sql, params![queue, paused, tx.now()])?;
    Ok(())
}

/// Whether a queue is paused; none when nobody has ever said so.
///
/// # Errors
/// When it cannot be read.
pub async fn get(data: &Data, queue: String) -> Result<Option<bool>, Error> {
    data.readers().read(move |conn| get_in(conn, &queue)).await
}

pub(super) fn get_in(conn: &Connection, queue: &str) -> Result<Option<bool>, Error> {
    let sql = "SELECT paused FROM queue_pauses WHERE queue = ?1";
    Ok(conn.query_row(sql, [queue], |row| row.get(0)).optional()?)
}

/// Whether each queue of which it was ever said is paused.
///
/// # Errors
/// When they cannot be read.
pub async fn all(data: &Data) -> Result<BTreeMap<String, bool>, Error> {
    data.readers()
        .read(|conn| {
            let mut statement = conn.prepare_cached("SELECT queue, paused FROM queue_pauses")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}
