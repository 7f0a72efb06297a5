//! What the admin can change while the site runs.

use rusqlite::params;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Data, Error, users};
use crate::events::UserNews;

/// The site's settings; each is a row, absent ones have their default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Name of the site.
    pub title: String,
    /// One sentence about it.
    pub description: String,
    /// When a visitor's comment is shown to its author.
    pub posting: Posting,
}

/// When a visitor's comment is shown to its author, where scripts run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Posting {
    /// When its event has come.
    Safe,
    /// At once, as pending.
    #[default]
    Optimistic,
    /// At once, as done.
    Brave,
}

impl Posting {
    /// Every mode, the most careful first.
    pub const ALL: [Self; 3] = [Self::Safe, Self::Optimistic, Self::Brave];

    /// The name in the database and in forms.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Optimistic => "optimistic",
            Self::Brave => "brave",
        }
    }

    /// The mode of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            title: "Hearth".to_owned(),
            description: "A site on its own box, with the fire kept in.".to_owned(),
            posting: Posting::default(),
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
                    "posting" => {
                        let name = row.get_ref(1)?.as_str().unwrap_or_default();
                        settings.posting = Posting::named(name).unwrap_or_default();
                    }
                    _of_a_newer_version => {}
                }
            }
            Ok(settings)
        })
        .await
}

/// Replaces them all, and tells all windows of the admin.
///
/// # Errors
/// When they cannot be written.
pub async fn put(data: &Data, settings: Settings, cause: Uuid) -> Result<(), Error> {
    let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    data.writer()
        .write(move |tx| {
            let rows = [
                ("title", settings.title.as_str()),
                ("description", settings.description.as_str()),
                ("posting", settings.posting.as_str()),
            ];
            for (name, value) in rows {
                tx.conn().execute(sql, params![name, value])?;
            }
            users::tell_admins(tx, &UserNews::SettingsSaved(settings), cause)
        })
        .await
}
