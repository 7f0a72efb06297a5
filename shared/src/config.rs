//! Reads the environment once, into types, before anything opens.
//!
//! Each binary's `config.rs` builds its own configuration from an [`Env`] and
//! ends with [`Env::finish`], so that all mistakes are reported at once. Any
//! variable `X` can be given as a file by `X_FILE`; secrets are never logged.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

/// One variable that cannot be used: what it got and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The variable's name.
    pub variable: String,
    /// What is wrong, with what it got (never a secret's value).
    pub problem: String,
}

/// Every mistake of a configuration, reported together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration cannot be used:")?;
        for Mistake { variable, problem } in &self.0 {
            write!(f, "\n  {variable}: {problem}")?;
        }
        Ok(())
    }
}

/// The environment, and the mistakes found in it so far.
#[derive(Debug)]
pub struct Env {
    vars: HashMap<String, String>,
    mistakes: Vec<Mistake>,
}

impl Env {
    /// The variables of this process.
    #[must_use]
    pub fn from_process() -> Self {
        Self::new(std::env::vars())
    }

    /// Variables given by hand, as the tests do.
    pub fn new(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { vars: vars.into_iter().collect(), mistakes: Vec::new() }
    }

    /// Notes a mistake of `variable`.
    pub fn mistake(&mut self, variable: &str, problem: impl Into<String>) {
        let (variable, problem) = (variable.to_owned(), problem.into());
        self.mistakes.push(Mistake { variable, problem });
    }

    /// The raw value of `name`, or the trimmed content of the file that
    /// `name_FILE` names. An empty value counts as unset.
    pub fn raw(&mut self, name: &str) -> Option<String> {
        let file_variable = format!("{name}_FILE");
        if let Some(path) = self.vars.get(&file_variable).filter(|path| !path.is_empty()).cloned() {
            return match std::fs::read_to_string(&path) {
                Ok(text) => Some(text.trim_end().to_owned()),
                Err(error) => {
                    self.mistake(&file_variable, format!("cannot read the file {path:?}: {error}"));
                    None
                }
            };
        }
        self.vars.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// A value parsed by `T`, or `None` when it is unset or wrong (noted).
    /// `takes` says what would be right: "a port, such as 8080".
    pub fn optional<T: FromStr>(&mut self, name: &str, takes: &str) -> Option<T> {
        let raw = self.raw(name)?;
        let parsed = raw.parse().ok();
        if parsed.is_none() {
            self.mistake(name, format!("got {raw:?}; it takes {takes}"));
        }
        parsed
    }

    /// A value with a default.
    pub fn with_default<T: FromStr>(&mut self, name: &str, takes: &str, default: T) -> T {
        self.optional(name, takes).unwrap_or(default)
    }

    /// A value that must be there; a missing one is noted and `fallback`
    /// stands in until [`Env::finish`] refuses the whole.
    pub fn required<T: FromStr>(&mut self, name: &str, takes: &str, fallback: T) -> T {
        let before = self.mistakes.len();
        let value = self.optional(name, takes);
        if value.is_none() && self.mistakes.len() == before {
            self.mistake(name, format!("is not set; it takes {takes}"));
        }
        value.unwrap_or(fallback)
    }

    /// A secret that must be there.
    pub fn secret(&mut self, name: &str) -> Secret {
        let value = self.raw(name);
        if value.is_none() && !self.mistakes.iter().any(|m| m.variable == format!("{name}_FILE")) {
            self.mistake(name, format!("is not set; it takes a secret, or {name}_FILE its file"));
        }
        Secret(value.unwrap_or_default())
    }

    /// Ends the reading: `value` when there was no mistake, else all of them.
    ///
    /// # Errors
    /// Every mistake noted since the start.
    pub fn finish<T>(self, value: T) -> Result<T, Mistakes> {
        if self.mistakes.is_empty() { Ok(value) } else { Err(Mistakes(self.mistakes)) }
    }
}

/// A value that never shows in a log.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value that must not be logged.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where an S3 store is and how to sign for it.
#[derive(Debug, Clone)]
pub struct S3 {
    /// Base address, such as `http://127.0.0.1:9000`.
    pub endpoint: Url,
    /// Region used in signatures.
    pub region: String,
    /// Public half of the key.
    pub access_key_id: String,
    /// Secret half of the key.
    pub secret_access_key: Secret,
}

/// The box's own store and its three buckets.
#[derive(Debug, Clone)]
pub struct LocalStore {
    /// The store.
    pub s3: S3,
    /// Image variants, served to everyone under `/media/`.
    pub public: String,
    /// Originals and exports.
    pub private: String,
    /// The Litestream replica.
    pub backup: String,
}

/// The off-site store and the bucket of each tier.
#[derive(Debug, Clone)]
pub struct OffsiteStore {
    /// The store.
    pub s3: S3,
    /// Bucket of the daily tier.
    pub daily: String,
    /// Bucket of the one-week tier.
    pub weekly: String,
    /// Bucket of the two-week tier.
    pub biweekly: String,
}

const BUCKET: &str = "a bucket name of 3 to 63 characters";

/// `SITE_DATA_DIR`: the directory of `data.db` and `ttl.db`.
pub fn data_dir(env: &mut Env) -> PathBuf {
    env.required("SITE_DATA_DIR", "a directory", PathBuf::new())
}

/// `SITE_URL`: the public address, without a trailing slash.
pub fn site_url(env: &mut Env) -> Url {
    let takes = "an address, such as https://example.com";
    let url = env.required("SITE_URL", takes, placeholder_url());
    if !matches!(url.scheme(), "http" | "https") {
        env.mistake("SITE_URL", format!("got {:?}; it takes {takes}", url.as_str()));
    }
    url
}

/// `SITE_OPS_ADDR`: where health, readiness and metrics are served.
pub fn ops_addr(env: &mut Env) -> SocketAddr {
    env.with_default("SITE_OPS_ADDR", "an address, such as 127.0.0.1:9100", any_loopback())
}

/// `NATS_URL`.
pub fn nats_url(env: &mut Env) -> Url {
    env.required("NATS_URL", "an address, such as nats://127.0.0.1:4222", placeholder_url())
}

/// `S3_…`: the box's own store.
pub fn local_store(env: &mut Env) -> LocalStore {
    LocalStore {
        s3: s3(env, "S3_"),
        public: bucket(env, "S3_BUCKET_PUBLIC", "public"),
        private: bucket(env, "S3_BUCKET_PRIVATE", "private"),
        backup: bucket(env, "S3_BUCKET_BACKUP", "backup"),
    }
}

/// `OFFSITE_…`, or `None` when no off-site endpoint is configured.
pub fn offsite_store(env: &mut Env) -> Option<OffsiteStore> {
    env.raw("OFFSITE_S3_ENDPOINT")?;
    Some(OffsiteStore {
        s3: s3(env, "OFFSITE_S3_"),
        daily: bucket(env, "OFFSITE_BUCKET_DAILY", "daily"),
        weekly: bucket(env, "OFFSITE_BUCKET_WEEKLY", "1-week"),
        biweekly: bucket(env, "OFFSITE_BUCKET_BIWEEKLY", "2-week"),
    })
}

fn s3(env: &mut Env, prefix: &str) -> S3 {
    let name = |part: &str| format!("{prefix}{part}");
    let takes = "an address, such as http://127.0.0.1:9000";
    S3 {
        endpoint: env.required(&name("ENDPOINT"), takes, placeholder_url()),
        region: env.with_default(&name("REGION"), "a region", "us-east-1".to_owned()),
        access_key_id: env.required(&name("ACCESS_KEY_ID"), "an access key id", String::new()),
        secret_access_key: env.secret(&name("SECRET_ACCESS_KEY")),
    }
}

fn bucket(env: &mut Env, variable: &str, default: &str) -> String {
    let name = env.with_default(variable, BUCKET, default.to_owned());
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !(3..=63).contains(&name.len()) || !name.chars().all(legal) {
        env.mistake(variable, format!("got {name:?}; it takes {BUCKET} (a-z, 0-9, -, .)"));
    }
    name
}

/// `TRUSTED_PROXIES`: addresses whose `X-Forwarded-For` is believed.
pub fn trusted_proxies(env: &mut Env) -> Vec<IpAddr> {
    let Some(raw) = env.raw("TRUSTED_PROXIES") else {
        return Vec::new();
    };
    let mut proxies = Vec::new();
    for part in raw.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.parse() {
            Ok(address) => proxies.push(address),
            Err(_) => {
                let problem = format!("got {part:?}; it takes addresses separated by commas");
                env.mistake("TRUSTED_PROXIES", problem);
            }
        }
    }
    proxies
}

fn placeholder_url() -> Url {
    Url::parse("http://unset.invalid").expect("a constant address parses")
}

fn any_loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(vars: &[(&str, &str)]) -> Env {
        Env::new(vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn all_mistakes_are_reported_at_once_and_by_name() {
        let mut env = env(&[("NATS_URL", "not an address"), ("TRUSTED_PROXIES", "10.0.0.1, x")]);
        nats_url(&mut env);
        data_dir(&mut env);
        trusted_proxies(&mut env);
        let text = env.finish(()).expect_err("three mistakes").to_string();
        for part in ["NATS_URL: got \"not an address\"", "SITE_DATA_DIR: is not set", "got \"x\""] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_never_shown() {
        let path = std::env::temp_dir().join(format!("secret-{}", std::process::id()));
        std::fs::write(&path, "hush\n").unwrap();
        let mut env = env(&[("S3_SECRET_ACCESS_KEY_FILE", path.to_str().unwrap())]);
        let secret = env.secret("S3_SECRET_ACCESS_KEY");
        std::fs::remove_file(&path).unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("hush", "***"));
        env.finish(()).expect("no mistake");
    }

    #[test]
    fn a_site_without_off_site_variables_has_no_off_site_store() {
        let mut env = env(&[]);
        assert!(offsite_store(&mut env).is_none());
        env.finish(()).expect("no mistake");
    }
}
