//! Reads the environment once, into types, before anything opens.
//!
//! Each binary's `config.rs` builds its own configuration from an [`Env`] and
//! ends with [`Env::finish`], so that all mistakes are reported at once. Any
//! variable `X` can be given as a file by `X_FILE`; secrets are never logged.

mod store;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use url::Url;

pub use store::{LocalStore, OffsiteStore, S3, local_store, offsite_store};

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
    /// Variables whose value is no UTF-8: a mistake when one of them is read.
    unreadable: HashSet<String>,
    mistakes: Vec<Mistake>,
}

impl Env {
    /// The variables of this process.
    #[must_use]
    pub fn from_process() -> Self {
        Self::from_os(std::env::vars_os())
    }

    /// A variable that is not asked for may hold any bytes.
    fn from_os(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut env = Self::new([]);
        for (name, value) in vars {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => drop(env.vars.insert(name, value)),
                (Ok(name), Err(_)) => drop(env.unreadable.insert(name)),
                (Err(_), _) => {}
            }
        }
        env
    }

    /// Variables given by hand, as the tests do.
    pub fn new(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let (unreadable, mistakes) = (HashSet::new(), Vec::new());
        Self { vars: vars.into_iter().collect(), unreadable, mistakes }
    }

    /// Notes a mistake of `variable`.
    pub fn mistake(&mut self, variable: &str, problem: impl Into<String>) {
        let (variable, problem) = (variable.to_owned(), problem.into());
        self.mistakes.push(Mistake { variable, problem });
    }

    /// The raw value of `name`, or the trimmed content of the file that
    /// `name_FILE` names. An empty value or file counts as unset.
    pub fn raw(&mut self, name: &str) -> Option<String> {
        let file_variable = format!("{name}_FILE");
        let value = match self.var(&file_variable) {
            Some(path) => self.file(&file_variable, &path),
            None => self.var(name),
        };
        value.filter(|value| !value.is_empty())
    }

    fn var(&mut self, name: &str) -> Option<String> {
        if self.unreadable.contains(name) {
            self.mistake(name, "got bytes that are no UTF-8; it takes text");
        }
        self.vars.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn file(&mut self, variable: &str, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(path);
        if let Err(error) = &text {
            self.mistake(variable, format!("cannot read the file {path:?}: {error}"));
        }
        text.ok().map(|text| text.trim_end().to_owned())
    }

    /// A value parsed by `T`, or `None` when it is unset or wrong (noted).
    /// `takes` says what would be right: "a port, such as 8080".
    pub fn optional<T: FromStr>(&mut self, name: &str, takes: &str) -> Option<T> {
        self.parsed(name, |raw| format!("got {raw:?}; it takes {takes}"))
    }

    fn parsed<T: FromStr>(&mut self, name: &str, wrong: impl Fn(&str) -> String) -> Option<T> {
        let raw = self.raw(name)?;
        let parsed = raw.parse().ok();
        if parsed.is_none() {
            self.mistake(name, wrong(&raw));
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
        let value = self.present(name, takes, |env| env.optional(name, takes));
        value.unwrap_or(fallback)
    }

    /// What `read` gives; when that is nothing, and no mistake, it is one.
    fn present<T>(
        &mut self,
        name: &str,
        takes: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let before = self.mistakes.len();
        let value = read(self);
        if value.is_none() && self.mistakes.len() == before {
            self.mistake(name, format!("is not set; it takes {takes}"));
        }
        value
    }

    /// A secret that must be there.
    pub fn secret(&mut self, name: &str) -> Secret {
        let takes = format!("a secret, or {name}_FILE its file");
        Secret(self.present(name, &takes, |env| env.raw(name)).unwrap_or_default())
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

/// Which comments wait for the admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Moderation {
    /// None.
    None,
    /// Those that look like spam.
    #[default]
    Suspicious,
    /// Those, and the first one of each author.
    First,
    /// All.
    All,
}

impl Moderation {
    /// The word used in the environment.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Suspicious => "suspicious",
            Self::First => "first",
            Self::All => "all",
        }
    }
}

impl FromStr for Moderation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::None, Self::Suspicious, Self::First, Self::All];
        all.into_iter().find(|word| word.as_str() == text).ok_or(())
    }
}

/// `COMMENTS_MODERATION`.
pub fn moderation(env: &mut Env) -> Moderation {
    let takes = "none, suspicious, first or all";
    env.with_default("COMMENTS_MODERATION", takes, Moderation::default())
}

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

/// `NATS_URL`; it can hold a password, so a wrong one is not shown.
pub fn nats_url(env: &mut Env) -> Url {
    let (name, takes) = ("NATS_URL", "an address, such as nats://127.0.0.1:4222");
    let wrong = |_: &str| format!("got something else; it takes {takes}");
    env.present(name, takes, |env| env.parsed(name, wrong)).unwrap_or_else(placeholder_url)
}

/// An address without the user and the password in it, for messages and logs.
#[must_use]
pub fn without_user(url: &Url) -> Url {
    let mut shown = url.clone();
    // Both refuse an address that cannot hold them; that one has none.
    let _has_none = shown.set_username("");
    let _has_none = shown.set_password(None);
    shown
}

/// `TRUSTED_PROXIES`: addresses and networks whose `X-Forwarded-For` is believed.
pub fn trusted_proxies(env: &mut Env) -> Vec<IpNet> {
    let Some(raw) = env.raw("TRUSTED_PROXIES") else {
        return Vec::new();
    };
    let mut proxies = Vec::new();
    for part in raw.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.parse().or_else(|_| part.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => proxies.push(network),
            Err(_) => {
                let takes = "addresses and networks separated by commas: 10.0.0.1,172.16.0.0/12";
                let problem = format!("got {part:?}; it takes {takes}");
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
        for part in ["NATS_URL: got something else", "SITE_DATA_DIR: is not set", "got \"x\""] {
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
    fn an_empty_secret_file_is_no_secret() {
        let path = std::env::temp_dir().join(format!("no-secret-{}", std::process::id()));
        std::fs::write(&path, "\n").unwrap();
        let mut env = env(&[("S3_SECRET_ACCESS_KEY_FILE", path.to_str().unwrap())]);
        env.secret("S3_SECRET_ACCESS_KEY");
        std::fs::remove_file(&path).unwrap();
        let text = env.finish(()).expect_err("it is empty").to_string();
        assert!(text.contains("S3_SECRET_ACCESS_KEY: is not set"), "{text}");
    }

    #[test]
    fn bytes_that_are_no_text_are_a_mistake_of_a_variable_that_is_read_alone() {
        use std::os::unix::ffi::OsStringExt as _;
        let bytes = || OsString::from_vec(vec![0xff]);
        let vars = [("SITE_URL".into(), bytes()), ("OTHER".into(), bytes()), (bytes(), bytes())];
        let mut env = Env::from_os(vars);
        site_url(&mut env);
        let Mistakes(mistakes) = env.finish(()).expect_err("one mistake");
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert_eq!(mistakes[0].variable, "SITE_URL");
        assert!(mistakes[0].problem.contains("UTF-8"), "{mistakes:?}");
    }

    #[test]
    fn a_password_of_nats_is_never_shown() {
        let mut wrong = env(&[("NATS_URL", "nats://me:hush@")]);
        nats_url(&mut wrong);
        let text = wrong.finish(()).expect_err("it has no host").to_string();
        assert!(!text.contains("hush"), "{text}");
        let url = nats_url(&mut env(&[("NATS_URL", "nats://me:hush@a.example:4222")]));
        assert_eq!(without_user(&url).as_str(), "nats://a.example:4222");
    }

    #[test]
    fn a_site_without_off_site_variables_has_no_off_site_store() {
        let mut env = env(&[]);
        assert!(offsite_store(&mut env).is_none());
        env.finish(()).expect("no mistake");
    }
}
