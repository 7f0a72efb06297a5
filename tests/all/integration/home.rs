//! cron, Litestream, NATS and two object stores, without web and worker.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use shared::blobs::{Bucket, PutOptions, Store};
use shared::config::{S3, Secret};
use shared::db::posts::{self, PostDraft, PostStatus};
use shared::db::{Data, backups};
use shared::markdown;
use stack::progress::Progress;
use stack::{Minio, Nats, Signal, TempDir, install, procfs};
use support::site::binary;
use support::wait::until;
use uuid::Uuid;

/// As long as a test waits for anything.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A prepared site of which only cron's part runs.
pub struct Home {
    pub dir: TempDir,
    pub nats: Nats,
    pub store: Minio,
    pub offsite: Minio,
    litestream: PathBuf,
    replicating: Option<Child>,
}

impl Home {
    /// Starts the servers and runs `cron prepare`.
    pub fn prepared() -> Self {
        let home = Self::new();
        home.ok(&["prepare"]);
        home
    }

    /// Starts the servers.
    pub fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let path = |name| dir.path().join(name);
        Self {
            nats: Nats::start(&path("nats")).expect("NATS starts"),
            store: Minio::start(&path("store")).expect("MinIO starts"),
            offsite: Minio::start(&path("offsite")).expect("MinIO starts"),
            litestream: install::one("litestream", &Progress::quiet()).expect("Litestream"),
            replicating: None,
            dir,
        }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn data(&self) -> Data {
        Data::open(&self.data_dir()).expect("data.db is prepared")
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let folders = [&self.litestream, &binary("cron")]
            .map(|path| path.parent().expect("a folder").to_owned());
        command
            .env_remove("AWS_CA_BUNDLE")
            .env("PATH", std::env::join_paths(folders).expect("plain folders"))
            .env("SITE_DATA_DIR", self.data_dir())
            .env("NATS_URL", self.nats.url())
            .env("S3_BUCKET_BACKUP", "backup")
            .env("LITESTREAM_ADDR", "")
            .env("LOG_LEVEL", "warn,cron=info");
        for (prefix, store) in [("S3_", &self.store), ("OFFSITE_S3_", &self.offsite)] {
            command
                .env(format!("{prefix}ENDPOINT"), store.endpoint())
                .env(format!("{prefix}REGION"), Minio::REGION)
                .env(format!("{prefix}ACCESS_KEY_ID"), Minio::ACCESS_KEY_ID)
                .env(format!("{prefix}SECRET_ACCESS_KEY"), Minio::SECRET_ACCESS_KEY);
        }
        command
    }

    /// Runs a command of cron.
    pub fn cron(&self, words: &[&str]) -> Output {
        self.command(&binary("cron")).args(words).output().expect("cron runs")
    }

    /// Begins a command of cron.
    pub fn begin(&self, words: &[&str]) -> Child {
        let mut command = self.command(&binary("cron"));
        command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("cron runs")
    }

    /// Runs a command of cron that goes through; gives what it prints.
    #[track_caller]
    pub fn ok(&self, words: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.cron(words);
        let told = String::from_utf8_lossy(&stderr);
        assert_eq!(
            status.code(),
            Some(0),
            "{words:?}: {told} {}",
            String::from_utf8_lossy(&stdout)
        );
        String::from_utf8(stdout).expect("text")
    }

    /// As [`Home::ok`], with `--json`.
    #[track_caller]
    pub fn json(&self, words: &[&str]) -> Value {
        let text = self.ok(&[words, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Runs a command of cron that fails; gives all that it says.
    #[track_caller]
    pub fn fails(&self, words: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.cron(words);
        let told = [stdout, stderr].concat();
        let told = String::from_utf8_lossy(&told).into_owned();
        assert_eq!(status.code(), Some(1), "{words:?}: {told}");
        told
    }

    /// Starts Litestream with `cron run` under it, and waits until the replica
    /// is there and marked.
    pub async fn replicate(&mut self) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let log = std::fs::File::create(self.dir.path().join("litestream.log")).expect("a log");
        let mut command = self.command(&self.litestream);
        command.args(["replicate", "-config"]).arg(root.join("litestream.yml"));
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        self.replicating = Some(command.spawn().expect("Litestream starts"));
        let socket = self.data_dir().join("litestream.sock");
        let database = self.data_dir().join("data.db");
        until("Litestream", LIMIT, || async { sync(&socket, &database).ok() }).await;
        let backup = self.bucket("backup");
        until("a marked replica", LIMIT, || async { backup.head("sentinel.json").await.ok() })
            .await;
    }

    pub fn litestream_pid(&self) -> u32 {
        self.replicating.as_ref().expect("Litestream runs").id()
    }

    /// Ends Litestream, and cron with it.
    pub fn stop(&mut self, signal: Signal) {
        if let Some(mut child) = self.replicating.take() {
            procfs::signal(child.id(), signal);
            child.wait().expect("Litestream ends");
        }
    }

    /// A bucket of the site's own store.
    pub fn bucket(&self, name: &str) -> Bucket {
        Self::bucket_of(&self.store, name)
    }

    /// A tier's bucket.
    pub fn tier(&self, name: &str) -> Bucket {
        Self::bucket_of(&self.offsite, name)
    }

    fn bucket_of(store: &Minio, name: &str) -> Bucket {
        let settings = S3 {
            endpoint: store.endpoint().parse().expect("an address"),
            region: Minio::REGION.to_owned(),
            access_key_id: Minio::ACCESS_KEY_ID.to_owned(),
            secret_access_key: Secret::new(Minio::SECRET_ACCESS_KEY),
        };
        Store::new(&settings).bucket(name).expect("an address")
    }

    /// Puts objects `first..last` into the public bucket.
    pub async fn fill(&self, objects: std::ops::Range<u32>) {
        let public = self.bucket("public");
        for number in objects {
            let content = Bytes::from(format!("picture {number:05}"));
            let options = PutOptions::typed("image/webp");
            public.put(&key(number), content, options).await.expect("it is stored");
        }
    }

    /// Publishes a post.
    pub async fn post(&self, slug: &str) {
        let draft = PostDraft {
            slug: slug.to_owned(),
            title: slug.to_owned(),
            markdown: "Some text.".to_owned(),
            tags: Vec::new(),
            status: PostStatus::Published,
            publish_at: None,
        };
        let html = markdown::render_post(&draft.markdown);
        posts::create(&self.data(), draft, html, Uuid::now_v7()).await.expect("it is saved");
    }

    /// The slugs in a restored database.
    pub async fn slugs(dir: &Path) -> Vec<String> {
        let data = Data::open(dir).expect("a database of this version");
        let filter = posts::Filter { limit: 100, ..posts::Filter::default() };
        let page = posts::list(&data, filter).await.expect("it can be read");
        let mut slugs: Vec<_> = page.items.into_iter().map(|post| post.slug).collect();
        slugs.sort();
        slugs
    }

    /// The runs of the tiers, oldest first.
    pub async fn runs(&self) -> Vec<backups::Run> {
        let page = backups::list(&self.data(), None, None, 100).await.expect("they can be read");
        page.items.into_iter().rev().collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.stop(Signal::TERM);
    }
}

/// The key of a numbered picture.
pub fn key(number: u32) -> String {
    format!("{:02}/picture {number}.webp", number % 7)
}

/// Has Litestream replicate all that is committed.
fn sync(socket: &Path, database: &Path) -> std::io::Result<()> {
    let body = serde_json::json!({"path": database, "wait": true, "timeout": 30}).to_string();
    let length = body.len();
    let mut stream = UnixStream::connect(socket)?;
    let head = "POST /sync HTTP/1.0\r\nHost: litestream\r\nContent-Type: application/json";
    stream.write_all(format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.contains(" 200 OK") { Ok(()) } else { Err(std::io::Error::other(answer)) }
}
