//! The files that a stack writes about itself, each replaced as a whole.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// `DIR/site.json`: what others read to reach the running site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteJson {
    /// The address of the site.
    pub url: String,
    /// Where each binary tells of its health.
    pub ops: Ops,
    /// NATS.
    pub nats_url: String,
    /// The box's own store.
    pub s3: Store,
    /// The store that plays the off-site.
    pub offsite: Store,
    /// Where the databases are.
    pub data_dir: PathBuf,
    /// A bearer token of the admin.
    pub admin_token: String,
    /// Signs the admin in, once; replaced when it was used.
    pub signin_link: String,
    /// Where mail goes, one file each.
    pub mail_dir: PathBuf,
    /// The processes as they are now.
    pub pids: Pids,
}

/// The ops listeners, as addresses that begin with `http://`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ops {
    /// Of `web`.
    pub web: String,
    /// Of `worker`.
    pub worker: String,
    /// Of `cron`.
    pub cron: String,
}

/// An S3 store and its credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// Its address.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// The access key.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
}

/// The pid of each process; none while it is being started again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pids {
    /// The site.
    pub web: Option<u32>,
    /// The jobs.
    pub worker: Option<u32>,
    /// Schedules and backups, a child of Litestream.
    pub cron: Option<u32>,
    /// Replication.
    pub litestream: Option<u32>,
    /// The broker.
    pub nats: Option<u32>,
    /// The box's own store.
    pub minio: Option<u32>,
    /// The off-site store.
    pub offsite: Option<u32>,
}

impl Pids {
    /// Every process by name, in the order in which they are started.
    pub fn named(&self) -> [(&'static str, Option<u32>); 7] {
        [
            ("nats", self.nats),
            ("minio", self.minio),
            ("offsite", self.offsite),
            ("litestream", self.litestream),
            ("cron", self.cron),
            ("worker", self.worker),
            ("web", self.web),
        ]
    }

    /// Keeps the pids for which `keep` is true.
    pub fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        let pids = [
            &mut self.nats,
            &mut self.minio,
            &mut self.offsite,
            &mut self.litestream,
            &mut self.cron,
            &mut self.worker,
            &mut self.web,
        ];
        for pid in pids {
            *pid = pid.filter(|pid| keep(*pid));
        }
    }

    /// The pid of the process with this name.
    pub fn get(&self, name: &str) -> Option<u32> {
        self.named().into_iter().find(|(other, _)| *other == name)?.1
    }
}

/// `DIR/state.json`: what the supervisor knows beyond `site.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The supervisor's own pid.
    pub supervisor: u32,
    /// The address of the site.
    pub url: String,
    /// Whether every process has been ready.
    pub ready: bool,
    /// Each process that the supervisor started, by name.
    pub processes: BTreeMap<String, ProcessState>,
}

/// One process of [`State`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessState {
    /// How often it was started again.
    pub restarts: u32,
    /// How it ended last.
    pub last_end: Option<String>,
    /// Where it tells whether it is ready.
    pub ready_at: Option<ReadyAt>,
}

/// An HTTP path that answers 200 when a process is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyAt {
    /// The address.
    pub address: SocketAddr,
    /// The path.
    pub path: String,
}

/// `DIR/secrets.json`: kept from one start of the stack to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    /// The secret of the box's own store.
    pub minio: String,
    /// The secret of the off-site store.
    pub offsite: String,
    /// The admin's bearer token, once there is one.
    pub admin_token: Option<String>,
}

impl Secrets {
    /// Fresh ones.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn mint() -> io::Result<Self> {
        Ok(Self { minio: random()?, offsite: random()?, admin_token: None })
    }
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reads a record; none when there is none, or it is not one.
pub fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Replaces a record as a whole; only its owner can read it.
///
/// # Errors
/// When the directory cannot be written.
pub fn write<T: Serialize>(path: &Path, record: &T) -> io::Result<()> {
    let next = path.with_extension(format!("next-{}", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    let text = serde_json::to_string_pretty(record)?;
    file.write_all(format!("{text}\n").as_bytes())?;
    fs::rename(&next, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_record_comes_back_and_is_its_owners_alone() {
        let path = std::env::temp_dir().join(format!("record-{}.json", std::process::id()));
        let secrets = Secrets::mint().unwrap();
        write(&path, &secrets).unwrap();
        assert_eq!(read::<Secrets>(&path), Some(secrets));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "{").unwrap();
        assert_eq!(read::<Secrets>(&path), None);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn pids_are_found_by_name() {
        let pids = Pids { cron: Some(7), ..Pids::default() };
        assert_eq!((pids.get("cron"), pids.get("web"), pids.get("x")), (Some(7), None, None));
    }
}
