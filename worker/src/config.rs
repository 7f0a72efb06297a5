//! The worker's configuration: read once, whole, before anything opens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lettre::message::Mailbox;
use shared::config::{self, Env, LocalStore, Mistakes, Moderation};
use shared::queues::Queues;
use shared::sources::Sources;
use shared::telemetry::log::Log;
use url::Url;

use crate::gateway::file::SourcesFile;
use crate::mail::Transport;

/// Which queues this process takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Role {
    /// Every queue.
    #[default]
    All,
    /// Those whose jobs run beside the database.
    Data,
    /// Those whose jobs need no database.
    Compute,
}

impl Role {
    /// Whether it opens the database.
    #[must_use]
    pub fn has_data(self) -> bool {
        self != Self::Compute
    }

    /// Whether it uses the object store.
    #[must_use]
    pub fn has_compute(self) -> bool {
        self != Self::Data
    }

    /// Whether it takes a queue of the role `queue`.
    #[must_use]
    pub fn takes(self, queue: shared::queues::Role) -> bool {
        match queue {
            shared::queues::Role::Data => self.has_data(),
            shared::queues::Role::Compute => self.has_compute(),
            shared::queues::Role::External => false,
        }
    }
}

/// What a process with the database needs.
#[derive(Debug, Clone)]
pub struct DataConfig {
    /// Directory of the databases.
    pub dir: PathBuf,
    /// The site's address, as mails name it.
    pub site_url: Url,
    /// Which comments wait for the admin.
    pub moderation: Moderation,
    /// Where mail goes.
    pub transport: Transport,
    /// Who sends it.
    pub from: Mailbox,
    /// What the gateway asks for, and the file that says so.
    pub sources: (SourcesFile, Sources),
}

/// All of `worker run`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which queues it takes.
    pub role: Role,
    /// What to log.
    pub log: Log,
    /// Where health and metrics are served.
    pub ops_addr: SocketAddr,
    /// NATS.
    pub nats_url: Url,
    /// Where it is written how each queue is run.
    pub queues_file: PathBuf,
    /// How each queue is run.
    pub queues: Queues,
    /// Of a role with the database.
    pub data: Option<DataConfig>,
    /// Of a role that uses the object store.
    pub store: Option<LocalStore>,
}

impl Config {
    /// Reads the environment for `role`; what the role does not use is not
    /// asked for.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn from_env(mut env: Env, role: Role) -> Result<Self, Mistakes> {
        let dir = role.has_data().then(|| config::data_dir(&mut env));
        let (queues_file, queues) = queues(&mut env, dir.as_deref());
        let data = dir.map(|dir| data(&mut env, dir, &queues));
        let config = Self {
            role,
            log: Log::from_env(&mut env),
            ops_addr: config::ops_addr(&mut env),
            nats_url: config::nats_url(&mut env),
            queues_file,
            queues,
            data,
            store: role.has_compute().then(|| config::local_store(&mut env)),
        };
        env.finish(config)
    }
}

/// What `worker jobs` needs: directory, NATS, and the queues. Where their
/// file does not decide, a mistake in it is overlooked.
///
/// # Errors
/// Every mistake at once.
pub fn jobs_view(mut env: Env, strictly: bool) -> Result<(PathBuf, Url, Queues), Mistakes> {
    let dir = config::data_dir(&mut env);
    let file = if strictly {
        queues(&mut env, Some(&dir)).1
    } else {
        Queues::read_or_last(&queues_file(&mut env), &dir).unwrap_or_default()
    };
    let view = (dir, config::nats_url(&mut env), file);
    env.finish(view)
}

/// What `worker sources` needs: the directory of the databases.
///
/// # Errors
/// Every mistake at once.
pub fn data_dir(mut env: Env) -> Result<PathBuf, Mistakes> {
    let dir = config::data_dir(&mut env);
    env.finish(dir)
}

/// What `worker queues` needs: directory, NATS and the queues.
///
/// # Errors
/// Every mistake at once.
pub fn queues_view(mut env: Env) -> Result<(PathBuf, Url, Queues), Mistakes> {
    let dir = config::data_dir(&mut env);
    let file = queues(&mut env, Some(&dir)).1;
    let view = (dir, config::nats_url(&mut env), file);
    env.finish(view)
}

fn queues_file(env: &mut Env) -> PathBuf {
    let takes = "the path of deploy/queues.yml";
    env.with_default("QUEUES_FILE", takes, PathBuf::from("deploy/queues.yml"))
}

/// The queues, by their file; while that holds a mistake, as it was before, where
/// there is a directory that remembers it.
fn queues(env: &mut Env, dir: Option<&Path>) -> (PathBuf, Queues) {
    let path = queues_file(env);
    let read = match dir {
        Some(dir) => Queues::read_or_last(&path, dir),
        None => Queues::read(&path),
    };
    let queues = read.unwrap_or_else(|error| {
        env.mistake("QUEUES_FILE", error.to_string());
        Queues::default()
    });
    (path, queues)
}

fn data(env: &mut Env, dir: PathBuf, queues: &Queues) -> DataConfig {
    let site_url = config::site_url(env);
    let moderation = config::moderation(env);
    let transport = transport(env).unwrap_or_else(|| Transport::Directory(dir.join("mail")));
    let from = from(env, &site_url);
    let sources = sources(env, queues);
    DataConfig { dir, site_url, moderation, transport, from, sources }
}

/// `SOURCES_FILE`; the usual file may be absent, one that is named may not.
fn sources(env: &mut Env, queues: &Queues) -> (SourcesFile, Sources) {
    let takes = "the path of deploy/sources.yml";
    let named: Option<PathBuf> = env.optional("SOURCES_FILE", takes);
    let may_be_absent = named.is_none();
    let path = named.unwrap_or_else(|| PathBuf::from("deploy/sources.yml"));
    SourcesFile::open(path, queues, may_be_absent).unwrap_or_else(|error| {
        env.mistake("SOURCES_FILE", error.to_string());
        (SourcesFile::absent(), Sources::default())
    })
}

/// `SMTP_URL`; without one, mail is written as files beside the database. It
/// can hold a password, so a wrong one is not shown.
fn transport(env: &mut Env) -> Option<Transport> {
    let raw = env.raw("SMTP_URL")?;
    let transport = raw.parse();
    if let Err(problem) = &transport {
        let takes = "it takes smtps://user:password@host, smtp://host:25 or file:///directory";
        env.mistake("SMTP_URL", format!("{problem}; {takes}"));
    }
    transport.ok()
}

fn from(env: &mut Env, site_url: &Url) -> Mailbox {
    let takes = "a sender, such as Hearth <hearth@example.com>";
    let host = site_url.host_str().unwrap_or("localhost");
    let host = if host.contains('.') && host.parse::<std::net::IpAddr>().is_err() {
        host
    } else {
        "localhost"
    };
    let address = lettre::Address::new("hearth", host)
        .unwrap_or_else(|_| "hearth@localhost".parse().expect("a constant address parses"));
    env.with_default("MAIL_FROM", takes, Mailbox::new(Some("Hearth".to_owned()), address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/queues.yml");

    fn env(vars: &[(&str, &str)]) -> Env {
        let always = [("QUEUES_FILE", QUEUES), ("NATS_URL", "nats://127.0.0.1:4222")];
        let all = always.iter().chain(vars);
        Env::new(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_compute_worker_needs_no_data_directory_and_a_data_worker_no_store() {
        let s3 = [
            ("S3_ENDPOINT", "http://127.0.0.1:9000"),
            ("S3_ACCESS_KEY_ID", "a"),
            ("S3_SECRET_ACCESS_KEY", "b"),
        ];
        let compute = Config::from_env(env(&s3), Role::Compute).unwrap();
        assert!(compute.data.is_none() && compute.store.is_some());
        let site = [("SITE_DATA_DIR", "/data"), ("SITE_URL", "https://a.example")];
        let data = Config::from_env(env(&site), Role::Data).unwrap();
        assert!(data.store.is_none());
        let data = data.data.unwrap();
        assert_eq!(data.from.to_string(), "Hearth <hearth@a.example>");
        assert_eq!(data.transport, Transport::Directory("/data/mail".into()));
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_no_password_is_shown() {
        let vars = [
            ("COMMENTS_MODERATION", "some"),
            ("SMTP_URL", "imap://me:hush@mail.example"),
            ("MAIL_FROM", "nobody"),
        ];
        let error = Config::from_env(env(&vars), Role::All).unwrap_err().to_string();
        for part in ["COMMENTS_MODERATION", "SMTP_URL", "MAIL_FROM", "SITE_DATA_DIR", "S3_ENDPOINT"]
        {
            assert!(error.contains(part), "{part} is missing in {error}");
        }
        assert!(!error.contains("hush"), "{error}");
    }
}
