//! The environment that the stack gives to the binaries of the site.

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::{self, Layout};
use crate::records::{self, Secrets};

/// Names the stack in the environment of each of its processes, so that what a killed
/// supervisor left behind can be told from everything else.
pub const STACK_MARK: &str = "HEARTH_STACK";
/// Names the process within its stack.
pub const PROCESS_MARK: &str = "HEARTH_PROCESS";

/// Variables with names and values, in order of name.
pub type Variables = BTreeMap<String, String>;

/// The addresses of one stack.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Of the site itself.
    pub web: SocketAddr,
    /// Ops listener of `web`.
    pub web_ops: SocketAddr,
    /// Ops listener of `worker`.
    pub worker_ops: SocketAddr,
    /// Ops listener of `cron`.
    pub cron_ops: SocketAddr,
    /// NATS.
    pub nats: SocketAddr,
    /// The monitoring port of NATS.
    pub nats_monitor: SocketAddr,
    /// MinIO.
    pub minio: SocketAddr,
    /// The off-site store.
    pub offsite: SocketAddr,
    /// Litestream's own metrics.
    pub litestream: SocketAddr,
}

/// The variables that the caller may set otherwise, with what the stack gives.
fn defaults(layout: &Layout, addresses: &Addresses) -> Vec<(&'static str, String)> {
    let queues = place::root().join("deploy/queues.yml");
    let sources = place::root().join("deploy/sources.yml");
    vec![
        ("SITE_URL", format!("http://{}", addresses.web)),
        ("SITE_ADMIN_EMAIL", "admin@example.com".to_owned()),
        ("SMTP_URL", format!("file://{}", layout.mail().display())),
        ("MAIL_FROM", "Hearth <hearth@example.com>".to_owned()),
        ("QUEUES_FILE", queues.display().to_string()),
        ("SOURCES_FILE", sources.display().to_string()),
        ("TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("S3_BUCKET_PUBLIC", "public".to_owned()),
        ("S3_BUCKET_PRIVATE", "private".to_owned()),
        ("S3_BUCKET_BACKUP", "backup".to_owned()),
        ("OFFSITE_BUCKET_DAILY", "daily".to_owned()),
        ("OFFSITE_BUCKET_WEEKLY", "1-week".to_owned()),
        ("OFFSITE_BUCKET_BIWEEKLY", "2-week".to_owned()),
    ]
}

/// The variables that are the stack's alone.
fn own(layout: &Layout, addresses: &Addresses, secrets: &Secrets) -> Vec<(&'static str, String)> {
    vec![
        ("SITE_HTTP_ADDR", addresses.web.to_string()),
        ("SITE_OPS_ADDR", "127.0.0.1:0".to_owned()),
        ("SITE_DATA_DIR", layout.data().display().to_string()),
        ("NATS_URL", format!("nats://{}", addresses.nats)),
        ("S3_ENDPOINT", format!("http://{}", addresses.minio)),
        ("S3_REGION", REGION.to_owned()),
        ("S3_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("S3_SECRET_ACCESS_KEY", secrets.minio.clone()),
        ("OFFSITE_S3_ENDPOINT", format!("http://{}", addresses.offsite)),
        ("OFFSITE_S3_REGION", REGION.to_owned()),
        ("OFFSITE_S3_ACCESS_KEY_ID", OFFSITE_ACCESS_KEY.to_owned()),
        ("OFFSITE_S3_SECRET_ACCESS_KEY", secrets.offsite.clone()),
        ("LITESTREAM_ADDR", addresses.litestream.to_string()),
    ]
}

/// The region that both stores call themselves.
pub const REGION: &str = "us-east-1";
/// The access key of the box's own store.
pub const ACCESS_KEY: &str = "hearth";
/// The access key of the off-site store.
pub const OFFSITE_ACCESS_KEY: &str = "offsite";

/// Further variables of the site that are kept with the stack when the caller sets them.
const TAKEN_OVER: [&str; 13] = [
    "COMMENTS_MODERATION",
    "GEOIP_DB",
    "HTTP_CONNECTIONS",
    "HTTP_CONNECTIONS_PER_ADDRESS",
    "LIVE_CONNECTIONS",
    "LIVE_CONNECTIONS_PER_ADDRESS",
    "LIVE_ORIGINS",
    "LIVE_RETURN_SECONDS",
    "LIVE_TOPICS",
    "LIVE_TOPIC_BYTES",
    "RUST_LOG",
    "LOG_LEVEL",
    "LOG_FORMAT",
];

/// What the stack sets for the binaries, given the caller's own environment.
pub fn compose(
    layout: &Layout,
    addresses: &Addresses,
    secrets: &Secrets,
    caller: impl Fn(&str) -> Option<String>,
) -> Variables {
    let mut variables = Variables::new();
    let defaults = defaults(layout, addresses);
    let names = defaults.iter().map(|(name, _)| *name).chain(TAKEN_OVER);
    for name in names {
        for name in [name.to_owned(), format!("{name}_FILE")] {
            if let Some(value) = caller(&name) {
                variables.insert(name, value);
            }
        }
    }
    for (name, value) in defaults {
        if !variables.contains_key(&format!("{name}_FILE")) {
            variables.entry(name.to_owned()).or_insert(value);
        }
    }
    let own = own(layout, addresses, secrets).into_iter();
    variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
    variables
}

/// The file of a stack that holds what one process gets over the others: names and values,
/// as JSON. It is read at each start of the process. Tests write it.
pub fn own_file(layout: &Layout, process: &str) -> PathBuf {
    layout.dir().join(format!("env.{process}.json"))
}

/// What the marked process gets over the others.
pub fn own_variables(variables: &Variables) -> Variables {
    let mark = |name: &str| variables.get(name).map(String::as_str);
    let own = mark(STACK_MARK).zip(mark(PROCESS_MARK)).and_then(|(dir, process)| {
        records::read(&own_file(&Layout::new(Path::new(dir)).ok()?, process))
    });
    own.unwrap_or_default()
}

/// The value of a variable of this process, unless it is empty.
pub fn caller(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Gives a command this process's environment with `variables` over it.
///
/// Nothing that names another store reaches it: not the caller's `AWS_…` (Litestream
/// refuses to start with some of them), and no `…_FILE` beside a variable that is set.
pub fn apply(command: &mut Command, variables: &Variables) {
    let inherited = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in inherited.filter(|name| is_foreign(name, variables)) {
        command.env_remove(name);
    }
    command.envs(variables);
}

fn is_foreign(name: &str, variables: &Variables) -> bool {
    let beside = name.strip_suffix("_FILE").is_some_and(|base| variables.contains_key(base));
    name.starts_with("AWS_") || (beside && !variables.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::local;

    fn composed(caller: &[(&str, &str)]) -> Variables {
        let address = local(1);
        let addresses = Addresses {
            web: local(8080),
            web_ops: address,
            worker_ops: address,
            cron_ops: address,
            nats: local(4222),
            nats_monitor: address,
            minio: address,
            offsite: address,
            litestream: address,
        };
        let secrets = Secrets { minio: "m".into(), offsite: "o".into(), admin_token: None };
        let layout = Layout::new(Path::new("/nowhere/stack")).unwrap();
        compose(&layout, &addresses, &secrets, |name| {
            let pair = caller.iter().find(|(key, _)| *key == name)?;
            Some(pair.1.to_owned())
        })
    }

    #[test]
    fn mail_goes_to_files_unless_the_caller_says_otherwise() {
        assert_eq!(composed(&[])["SMTP_URL"], "file:///nowhere/stack/mail");
        assert_eq!(composed(&[("SMTP_URL", "smtp://a:1")])["SMTP_URL"], "smtp://a:1");
    }

    #[test]
    fn a_file_given_by_the_caller_stands_in_for_the_default() {
        let variables = composed(&[("SMTP_URL_FILE", "/run/smtp")]);
        assert_eq!(variables["SMTP_URL_FILE"], "/run/smtp");
        assert!(!variables.contains_key("SMTP_URL"));
    }

    #[test]
    fn the_callers_rules_are_kept_and_its_stores_are_not() {
        let variables = composed(&[
            ("COMMENTS_MODERATION", "all"),
            ("S3_BUCKET_PUBLIC", "pictures"),
            ("S3_ENDPOINT", "https://elsewhere"),
            ("NATS_URL", "nats://elsewhere"),
        ]);
        assert_eq!(variables["COMMENTS_MODERATION"], "all");
        assert_eq!(variables["S3_BUCKET_PUBLIC"], "pictures");
        assert_eq!(variables["S3_ENDPOINT"], "http://127.0.0.1:1");
        assert_eq!(variables["NATS_URL"], "nats://127.0.0.1:4222");
    }

    #[test]
    fn a_process_gets_what_is_its_own_alone() {
        let dir = env::temp_dir().join(format!("own-{}", std::process::id()));
        let layout = Layout::new(&dir).unwrap();
        layout.create().unwrap();
        let own = Variables::from([("NATS_URL".into(), "nats://proxy".into())]);
        records::write(&own_file(&layout, "worker"), &own).unwrap();
        let marked = |process: &str| {
            let stack = layout.dir().display().to_string();
            Variables::from([(STACK_MARK.into(), stack), (PROCESS_MARK.into(), process.into())])
        };
        assert_eq!(own_variables(&marked("worker")), own);
        assert_eq!(own_variables(&marked("web")), Variables::new());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_names_another_store_is_not_passed_on() {
        let variables = composed(&[("SMTP_URL_FILE", "/run/smtp")]);
        for (name, foreign) in [
            ("AWS_CA_BUNDLE", true),
            ("S3_SECRET_ACCESS_KEY_FILE", true),
            ("SMTP_URL_FILE", false),
            ("PATH", false),
        ] {
            assert_eq!(is_foreign(name, &variables), foreign, "{name}");
        }
    }
}
