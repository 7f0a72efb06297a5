//! Reads cron's configuration from the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use shared::blobs::{self, Bucket, Store};
use shared::config::{self, Env, LocalStore, Mistakes, OffsiteStore};
use shared::db::backups::Tier;
use shared::telemetry::log::Log;
use url::Url;

/// What every command of cron needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where `data.db` and `ttl.db` are.
    pub data_dir: PathBuf,
    /// Where health, readiness and metrics are served.
    pub ops_addr: SocketAddr,
    /// The box's own store.
    pub local: LocalStore,
    /// The off-site store, when there is one.
    pub offsite: Option<OffsiteStore>,
    /// NATS: only `cron prepare` needs it.
    pub nats_url: Option<Url>,
    /// What is logged, and how.
    pub log: Log,
}

impl Config {
    /// Reads it. With `needs_nats`, `NATS_URL` must be set.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn from_env(mut env: Env, needs_nats: bool) -> Result<Self, Mistakes> {
        let read = Self {
            data_dir: config::data_dir(&mut env),
            ops_addr: config::ops_addr(&mut env),
            local: config::local_store(&mut env),
            offsite: config::offsite_store(&mut env),
            nats_url: needs_nats.then(|| config::nats_url(&mut env)),
            log: Log::from_env(&mut env),
        };
        env.finish(read)
    }

    /// The file of the site's database.
    #[must_use]
    pub fn data_db(&self) -> PathBuf {
        self.data_dir.join("data.db")
    }

    /// Where Litestream takes commands.
    #[must_use]
    pub fn litestream_socket(&self) -> PathBuf {
        self.data_dir.join("litestream.sock")
    }

    /// Where copies and restores under way are kept: only the holder of the
    /// lease on backups uses it.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.data_dir.join("backup.tmp")
    }
}

/// The buckets of the configuration, ready for use.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Image variants.
    pub public: Bucket,
    /// Originals and exports.
    pub private: Bucket,
    /// The Litestream replica.
    pub backup: Bucket,
    offsite: Option<[Bucket; 3]>,
}

impl Stores {
    /// Names the buckets; nothing is sent yet.
    ///
    /// # Errors
    /// When a bucket has no address at its endpoint.
    pub fn new(config: &Config) -> Result<Self, blobs::Error> {
        let local = Store::new(&config.local.s3);
        let offsite = match &config.offsite {
            Some(offsite) => {
                let store = Store::new(&offsite.s3);
                let bucket = |name: &str| store.bucket(name);
                Some([
                    bucket(&offsite.daily)?,
                    bucket(&offsite.weekly)?,
                    bucket(&offsite.biweekly)?,
                ])
            }
            None => None,
        };
        Ok(Self {
            public: local.bucket(&config.local.public)?,
            private: local.bucket(&config.local.private)?,
            backup: local.bucket(&config.local.backup)?,
            offsite,
        })
    }

    /// The bucket of `tier`; `None` when no off-site store is configured.
    #[must_use]
    pub fn tier(&self, tier: Tier) -> Option<&Bucket> {
        let [daily, weekly, biweekly] = self.offsite.as_ref()?;
        Some(match tier {
            Tier::Daily => daily,
            Tier::Weekly => weekly,
            Tier::Biweekly => biweekly,
        })
    }

    /// Whether an off-site store is configured.
    #[must_use]
    pub fn has_offsite(&self) -> bool {
        self.offsite.is_some()
    }

    /// All buckets, the site's own first.
    pub fn all(&self) -> impl Iterator<Item = &Bucket> {
        [&self.public, &self.private, &self.backup].into_iter().chain(self.offsite.iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_named_at_once() {
        let text = Config::from_env(Env::new([]), true).expect_err("nothing is set").to_string();
        let required = [
            "SITE_DATA_DIR",
            "NATS_URL",
            "S3_ENDPOINT",
            "S3_ACCESS_KEY_ID",
            "S3_SECRET_ACCESS_KEY",
        ];
        for variable in required {
            assert!(text.contains(variable), "{variable} is missing in {text}");
        }
    }

    #[test]
    fn a_restore_needs_no_nats() {
        let set = [
            ("SITE_DATA_DIR", "/data"),
            ("S3_ENDPOINT", "http://127.0.0.1:9000"),
            ("S3_ACCESS_KEY_ID", "key"),
            ("S3_SECRET_ACCESS_KEY", "secret"),
        ];
        let env = Env::new(set.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let config = Config::from_env(env, false).expect("no mistake");
        assert!(config.offsite.is_none() && config.nats_url.is_none());
    }
}
