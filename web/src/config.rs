//! What `web` takes from the environment.

mod live;

use std::net::SocketAddr;
use std::path::PathBuf;

use shared::config::{self, Env, LocalStore, Mistakes, Moderation};
use shared::telemetry::log::Log;
use url::Url;

pub use live::{Connections, Origins, Rules};

/// Everything that `web serve` is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// What to log, and how.
    pub log: Log,
    /// Where visitors come in.
    pub http_addr: SocketAddr,
    /// Where health, readiness and metrics are served.
    pub ops_addr: SocketAddr,
    /// The public address.
    pub site_url: Url,
    /// The directory of the databases, the spool and uploads under way.
    pub data_dir: PathBuf,
    /// Who may sign in first.
    pub admin_email: String,
    /// NATS.
    pub nats_url: Url,
    /// The object store.
    pub store: LocalStore,
    /// The file of queues, for the admin's lists.
    pub queues_file: PathBuf,
    /// Addresses and networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// How many connections there may be.
    pub connections: Connections,
    /// What those who watch may ask for.
    pub rules: Rules,
    /// Which comments wait for the admin; the worker applies it, the admin's
    /// settings page shows it.
    pub moderation: Moderation,
}

impl Config {
    /// Reads all of it.
    ///
    /// # Errors
    /// Every mistake, by variable.
    pub fn read(mut env: Env) -> Result<Self, Mistakes> {
        let queues = PathBuf::from("deploy/queues.yml");
        let config = Self {
            log: Log::from_env(&mut env),
            http_addr: http_addr(&mut env),
            ops_addr: config::ops_addr(&mut env),
            site_url: config::site_url(&mut env),
            data_dir: config::data_dir(&mut env),
            admin_email: admin_email(&mut env),
            nats_url: config::nats_url(&mut env),
            store: config::local_store(&mut env),
            queues_file: env.with_default("QUEUES_FILE", "a file", queues),
            trusted_proxies: config::trusted_proxies(&mut env),
            connections: Connections::read(&mut env),
            rules: Rules::read(&mut env),
            moderation: config::moderation(&mut env),
        };
        env.finish(config)
    }

    /// The public address without a trailing slash.
    #[must_use]
    pub fn site(&self) -> &str {
        self.site_url.as_str().trim_end_matches('/')
    }

    /// Whether visitors come over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.site_url.scheme() == "https"
    }
}

/// What a live edge is told: `web serve --role live`.
#[derive(Debug, Clone)]
pub struct EdgeConfig {
    /// What to log, and how.
    pub log: Log,
    /// Where those who watch come in.
    pub http_addr: SocketAddr,
    /// Where health, readiness and metrics are served.
    pub ops_addr: SocketAddr,
    /// NATS.
    pub nats_url: Url,
    /// Addresses and networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// How many connections there may be.
    pub connections: Connections,
    /// What those who watch may ask for.
    pub rules: Rules,
}

impl EdgeConfig {
    /// Reads it.
    ///
    /// # Errors
    /// Every mistake, by variable.
    pub fn read(mut env: Env) -> Result<Self, Mistakes> {
        let config = Self {
            log: Log::from_env(&mut env),
            http_addr: http_addr(&mut env),
            ops_addr: config::ops_addr(&mut env),
            nats_url: config::nats_url(&mut env),
            trusted_proxies: config::trusted_proxies(&mut env),
            connections: Connections::read(&mut env),
            rules: Rules::read(&mut env),
        };
        env.finish(config)
    }
}

/// What the commands of `web admin` are told.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// The public address.
    pub site_url: Url,
    /// The directory of the databases.
    pub data_dir: PathBuf,
    /// Who may sign in first.
    pub admin_email: String,
}

impl AdminConfig {
    /// Reads it.
    ///
    /// # Errors
    /// Every mistake, by variable.
    pub fn read(mut env: Env) -> Result<Self, Mistakes> {
        let config = Self {
            site_url: config::site_url(&mut env),
            data_dir: config::data_dir(&mut env),
            admin_email: admin_email(&mut env),
        };
        env.finish(config)
    }
}

fn http_addr(env: &mut Env) -> SocketAddr {
    let takes = "an address, such as 127.0.0.1:8080";
    env.with_default("SITE_HTTP_ADDR", takes, ([127, 0, 0, 1], 8080).into())
}

fn admin_email(env: &mut Env) -> String {
    let takes = "an e-mail address, such as me@example.com";
    let email: String = env.required("SITE_ADMIN_EMAIL", takes, String::new());
    if !email.is_empty() && !crate::validate::is_email(&email) {
        env.mistake("SITE_ADMIN_EMAIL", format!("got {email:?}; it takes {takes}"));
    }
    email
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_needs_nats_alone() {
        let vars = [("NATS_URL".to_owned(), "nats://127.0.0.1:4222".to_owned())];
        assert!(EdgeConfig::read(Env::new(vars)).is_ok());
        let Mistakes(missing) = EdgeConfig::read(Env::new([])).expect_err("a mistake");
        assert_eq!(missing.len(), 1, "{missing:?}");
        assert_eq!(missing[0].variable, "NATS_URL");
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let env = [("SITE_HTTP_ADDR", "8080"), ("SITE_ADMIN_EMAIL", "me"), ("SITE_URL", "x")];
        let env = Env::new(env.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let text = Config::read(env).expect_err("mistakes").to_string();
        for name in ["SITE_HTTP_ADDR", "SITE_ADMIN_EMAIL", "SITE_URL", "SITE_DATA_DIR", "NATS_URL"]
        {
            assert!(text.contains(name), "{name} is missing in {text}");
        }
    }
}
