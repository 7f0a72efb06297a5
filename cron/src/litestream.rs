//! Litestream, as a child process and over its control socket.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use shared::config::S3;
use shared::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;
use url::Url;

use crate::words::Moment;

/// Where the replica lies in the backup bucket; `litestream.yml` says the same.
pub const REPLICA_PATH: &str = "data.db";

/// How much of what Litestream says is kept for an error.
const LAST_WORDS: usize = 600;
/// How often a restore is tried: retention may delete files while it reads.
const RESTORE_ATTEMPTS: usize = 3;
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);

/// Variables of others that would change where Litestream reads, or keep it
/// from starting.
const STRAY: [&str; 9] = [
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "LITESTREAM_S3_ENDPOINT",
];

/// What can go wrong with Litestream.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such program.
    #[error("cannot start `litestream`: it must be on the PATH")]
    Start(#[source] io::Error),
    /// It ended with a failure.
    #[error("litestream could not restore: {0}")]
    Restore(String),
    /// The replica does not reach back, or forward, to the moment.
    #[error("it holds nothing of {at}; the times that it holds are {earliest} to {latest}")]
    NoMoment {
        /// The moment that was asked for.
        at: Moment,
        /// The earliest that can be restored.
        earliest: Moment,
        /// The latest.
        latest: Moment,
    },
    /// It does not answer on its socket.
    #[error("cannot reach litestream at its socket")]
    Socket(#[source] io::Error),
    /// It answered with a failure.
    #[error("litestream could not sync: {0}")]
    Sync(String),
}

/// Where a replica is read from.
#[derive(Debug, Clone, Copy)]
pub enum Replica<'a> {
    /// In a bucket, at [`REPLICA_PATH`].
    Bucket(&'a S3, &'a str),
    /// In a directory, as Litestream's file replicas are laid out.
    Directory(&'a Path),
}

/// How thoroughly a restored database is checked.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// Its pages.
    Quick,
    /// Its pages and indexes.
    Full,
}

/// Restores `replica` into the new file `to`, as it was at `at` or is now.
///
/// # Errors
/// When Litestream cannot be started, finds nothing to restore, or what it
/// restored is not sound.
pub async fn restore(
    replica: Replica<'_>,
    to: &Path,
    at: Option<Instant>,
    check: Check,
) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        match restore_once(replica, to, at, check).await {
            Err(Error::Restore(problem)) if attempt < RESTORE_ATTEMPTS && is_passing(&problem) => {
                tracing::warn!(attempt, problem, "the restore is tried again");
                attempt += 1;
            }
            Err(Error::Restore(problem)) => return Err(explain(problem, replica, at).await),
            outcome => return outcome,
        }
    }
}

/// Says which times there are, when the one asked for is not.
async fn explain(problem: String, replica: Replica<'_>, at: Option<Instant>) -> Error {
    let Some(at) = at.filter(|_| problem.contains("timestamp does not exist")) else {
        return Error::Restore(problem);
    };
    match span(replica).await {
        Some((earliest, latest)) => {
            Error::NoMoment { at: at.into(), earliest: earliest.into(), latest: latest.into() }
        }
        None => Error::Restore(problem),
    }
}

/// A file of the replica, as Litestream lists it.
#[derive(Deserialize)]
struct Ltx {
    min_txid: String,
    timestamp: String,
}

/// From when to when a replica can be restored, to the second.
async fn span(replica: Replica<'_>) -> Option<(Instant, Instant)> {
    let mut command = command(&["ltx", "-json", "-level", "all"]);
    replica.name_to(&mut command);
    let output = command.output().await.ok()?;
    let files: Vec<Ltx> = serde_json::from_slice(&output.stdout).ok()?;
    bounds(&files)
}

/// A restore begins with a file that holds all before it, and Litestream cuts times down to
/// the second.
fn bounds(files: &[Ltx]) -> Option<(Instant, Instant)> {
    let time = |file: &Ltx| Instant::parse(&file.timestamp).ok();
    let whole = files.iter().filter(|file| u64::from_str_radix(&file.min_txid, 16) == Ok(1));
    let earliest = whole.filter_map(time).min()?.plus(Duration::from_secs(1));
    let latest = files.iter().filter_map(time).max()?;
    Some((earliest, latest.max(earliest)))
}

/// A file that was listed and then not found was superseded meanwhile.
fn is_passing(problem: &str) -> bool {
    ["NoSuchKey", "not found", "no such file"].iter().any(|sign| problem.contains(sign))
}

async fn restore_once(
    replica: Replica<'_>,
    to: &Path,
    at: Option<Instant>,
    check: Check,
) -> Result<(), Error> {
    let mut command = command(&["restore", "-integrity-check", check.as_str()]);
    command.arg("-o").arg(to);
    if let Some(at) = at {
        command.args(["-timestamp", &at.to_string()]);
    }
    replica.name_to(&mut command);
    let output = command.output().await.map_err(Error::Start)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Restore(last_words(&[output.stdout, output.stderr].concat())))
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new("litestream");
    for variable in STRAY {
        command.env_remove(variable);
    }
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    command
}

impl Replica<'_> {
    /// As the last argument of a command.
    fn name_to(self, command: &mut Command) {
        match self {
            Self::Directory(path) => {
                command.arg(format!("file://{}", path.display()));
            }
            Self::Bucket(s3, bucket) => {
                command.env("AWS_ACCESS_KEY_ID", &s3.access_key_id);
                command.env("AWS_SECRET_ACCESS_KEY", s3.secret_access_key.expose());
                command.arg(replica_url(s3, bucket).as_str());
            }
        }
    }
}

impl Check {
    fn as_str(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }
}

fn replica_url(s3: &S3, bucket: &str) -> Url {
    let mut url = Url::parse("s3://bucket/").expect("a constant address parses");
    // Bucket names are checked when the configuration is read.
    let _checked = url.set_host(Some(bucket));
    url.set_path(REPLICA_PATH);
    url.query_pairs_mut()
        .append_pair("endpoint", s3.endpoint.as_str().trim_end_matches('/'))
        .append_pair("region", &s3.region)
        .append_pair("forcePathStyle", "true");
    url
}

fn last_words(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let text = text.trim();
    let start = text.char_indices().rev().nth(LAST_WORDS).map_or(0, |(at, _)| at);
    text[start..].replace('\n', "; ")
}

/// Has Litestream replicate everything that is committed in `db` by now.
///
/// # Errors
/// When it is not running, or cannot reach the store in time.
pub async fn sync(socket: &Path, db: &Path) -> Result<(), Error> {
    let asked = tokio::time::timeout(SYNC_TIMEOUT, ask_sync(socket, db));
    let answer = asked.await.map_err(|_| Error::Sync("it took too long".to_owned()))?;
    let answer = answer.map_err(Error::Socket)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    if answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200") {
        return Ok(());
    }
    let error = serde_json::from_str::<Value>(body.trim())
        .ok()
        .and_then(|body| body.get("error")?.as_str().map(str::to_owned));
    Err(Error::Sync(error.unwrap_or_else(|| last_words(answer.as_bytes()))))
}

async fn ask_sync(socket: &Path, db: &Path) -> io::Result<String> {
    let timeout = SYNC_TIMEOUT.as_secs() - 5;
    let body = json!({"path": db, "wait": true, "timeout": timeout}).to_string();
    let mut stream = UnixStream::connect(socket).await?;
    let request = format!(
        "POST /sync HTTP/1.0\r\nHost: litestream\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replica_is_addressed_with_its_endpoint_and_without_a_secret() {
        let s3 = S3 {
            endpoint: Url::parse("http://127.0.0.1:9000").expect("an address"),
            region: "us-east-1".to_owned(),
            access_key_id: "key".to_owned(),
            secret_access_key: shared::config::Secret::new("hush"),
        };
        let url = replica_url(&s3, "backup").to_string();
        let expected = "s3://backup/data.db?endpoint=http%3A%2F%2F127.0.0.1%3A9000\
                        &region=us-east-1&forcePathStyle=true";
        assert_eq!(url, expected);
    }

    #[test]
    fn what_can_be_restored_begins_with_a_file_that_holds_all_before() {
        let file = |first: &str, time: &str| Ltx {
            min_txid: first.to_owned(),
            timestamp: format!("2026-11-21T{time}Z"),
        };
        let at = |time: &str| Instant::parse(&format!("2026-11-21T{time}Z")).unwrap();
        let files = [
            file("000000000000000c", "09:00:00"),
            file("0000000000000001", "12:00:00"),
            file("0000000000000001", "10:00:00"),
            file("000000000000000d", "12:30:00"),
        ];
        assert_eq!(bounds(&files), Some((at("10:00:01"), at("12:30:00"))));
        assert_eq!(bounds(&files[..1]), None);
    }

    #[test]
    fn long_output_is_cut_to_its_end() {
        let words = last_words(format!("{}end\n", "é".repeat(2000)).as_bytes());
        assert!(words.ends_with("éend") && words.chars().count() <= LAST_WORDS + 1);
    }
}
