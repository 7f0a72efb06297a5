//! What the admin can change while the site runs.

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{Data, Error};

/// The site's settings; each is a row, absent ones have their default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Name of the site.
    pub title: String,
    /// One sentence about it.
    pub description: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            title: "Hearth".to_owned(),
            description: "A site on its own box, with the fire kept in.".to_owned(),
        }
    }
}

/// Reads them all.
///
/// # Errors
/// When they cannot be read.
pub async fn get(data: &Data) -> Result<Settings, Error> {
    data.readers()
        .read(|conn| {
            let mut settings = Settings::default();
            let mut statement = conn.prepare_cached("SELECT name, value FROM settings")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                match row.get_ref(0)?.as_str().unwrap_or_default() {
                    "title" => settings.title = row.get(1)?,
                    "description" => settings.description = row.get(1)?,
                    _of_a_newer_version => {}
                }
            }
            Ok(settings)
        })
        .await
}

/// Replaces them all.
///
/// # Errors
/// When they cannot be written.
pub async fn put(data: &Data, settings: Settings) -> Result<(), Error> {
    let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    data.writer()
        .write(move |tx| {
            for (name, value) in
                [("title", &settings.title), ("description", &settings.description)]
            {
                tx.conn().execute(sql, params![name, value])?;
            }
            Ok(())
        })
        .await
}
