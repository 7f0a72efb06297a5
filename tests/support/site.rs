//! A whole site, started by its own command in a directory of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::client::Client;
use super::wait::until;

/// A running site; it goes down when dropped.
pub struct Site {
    dir: PathBuf,
}

static SHARED: Mutex<Weak<Site>> = Mutex::new(Weak::new());
static ADDRESSES: AtomicU32 = AtomicU32::new(1);

impl Site {
    /// The site that tests share as long as one of them needs it. For tests
    /// that break nothing.
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let site = Arc::new(Self::start(&[]));
            *shared = Arc::downgrade(&site);
            site
        })
    }

    /// A site of one's own, with more variables.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_in(std::env::temp_dir().join(format!("site-{}", Uuid::now_v7())), variables)
    }

    /// As [`Site::start`], in a directory that may hold something already.
    pub fn start_in(dir: PathBuf, variables: &[(&str, &str)]) -> Self {
        let site = Self { dir };
        let port = free_port().to_string();
        let output = site.command(&["up", "--detach", "--no-build", "--port", &port], variables);
        assert!(output.status.success(), "the site does not start: {output:?}");
        site
    }

    /// Runs `site VERB --dir DIR …`.
    pub fn command(&self, words: &[&str], variables: &[(&str, &str)]) -> std::process::Output {
        let (verb, rest) = words.split_first().expect("a verb");
        site_command()
            .args([verb, "--dir"])
            .arg(&self.dir)
            .args(rest)
            .envs(variables.iter().copied())
            .output()
            .expect("the site command runs")
    }

    /// Runs a binary of the site with the running site's environment.
    pub fn exec(&self, words: &[&str]) -> std::process::Output {
        let (name, arguments) = words.split_first().expect("a binary");
        site_command()
            .args(["exec", name, "--dir"])
            .arg(&self.dir)
            .arg("--")
            .args(arguments)
            .output()
            .expect("the site command runs")
    }

    /// `site.json` as it is now.
    pub fn json(&self) -> Value {
        let text = std::fs::read(self.dir.join("site.json")).expect("site.json is there");
        serde_json::from_slice(&text).expect("site.json is JSON")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(self.json()[name].as_str().expect("a path"))
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A visitor of an address that no other test uses.
    pub fn visitor(&self) -> Client {
        let number = ADDRESSES.fetch_add(1, Ordering::Relaxed);
        let address = format!("198.51.{}.{}", number / 250, number % 250 + 1);
        Client::new(self.json()["url"].as_str().expect("a url")).from_address(&address)
    }

    /// The admin, by token.
    pub fn admin(&self) -> Client {
        self.admin_at(self.json()["url"].as_str().expect("a url"))
    }

    /// The admin, at another address of the site.
    pub fn admin_at(&self, url: &str) -> Client {
        Client::new(url).bearer(self.json()["admin_token"].as_str().expect("a token"))
    }

    /// The admin, by a browser's session.
    pub async fn session(&self) -> Client {
        let link = self.exec(&["web", "admin", "signin-link"]).stdout;
        let link = String::from_utf8_lossy(&link).trim().to_owned();
        let (_, path) =
            link.split_once("//").and_then(|(_, rest)| rest.split_once('/')).expect("a link");
        let signed_in = self.visitor().get(&format!("/{path}")).await.expect(303);
        let cookies = signed_in.headers.get_all("set-cookie").iter();
        let pairs: Vec<&str> =
            cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next()).collect();
        self.visitor().with("cookie", &pairs.join("; "))
    }

    /// A client of a binary's ops listener.
    pub fn ops(&self, name: &str) -> Client {
        Client::new(self.json()["ops"][name].as_str().expect("an ops address"))
    }

    /// The pid of one of the site's processes; `None` while it is started anew.
    pub fn pid(&self, name: &str) -> Option<u64> {
        self.json()["pids"][name].as_u64()
    }

    /// Waits until `name` runs as another process than `before`.
    pub async fn replaced(&self, name: &str, before: Option<u64>) {
        until(&format!("new {name}"), Duration::from_secs(30), || async {
            self.pid(name).filter(|pid| Some(*pid) != before)
        })
        .await;
    }

    /// Sends a signal, such as `-KILL`, to one of the site's processes.
    pub fn signal(&self, name: &str, signal: &str) {
        let pid = self.pid(name).expect("a process that runs").to_string();
        let sent = Command::new("kill").args([signal, &pid]).output().expect("kill runs");
        assert!(sent.status.success(), "{name} ({pid}) cannot be signalled: {sent:?}");
    }

    /// Kills a process with -9 and waits until another one is ready for it.
    pub async fn kill_and_wait(&self, name: &str) {
        let before = self.pid(name);
        self.signal(name, "-KILL");
        self.replaced(name, before).await;
        self.ready().await;
    }

    /// Waits until every binary says that it is ready.
    pub async fn ready(&self) {
        for name in ["web", "worker", "cron"] {
            until(&format!("ready {name}"), Duration::from_secs(30), || async {
                let path = "/readyz";
                let answer = self.ops(name).try_ask(axum::http::Method::GET, path, None).await;
                answer.ok().filter(|answer| answer.status == 200)
            })
            .await;
        }
    }

    /// Publishes a post of its own for a test and gives its slug.
    pub async fn post(&self, name: &str) -> String {
        let slug = format!("{name}-{}", Uuid::now_v7().simple());
        let post = json!({
            "slug": slug, "title": name, "markdown": "Some text.", "tags": ["test"],
            "status": "published",
        });
        self.admin().post_json("/api/v1/posts", &post).await.expect(201);
        slug
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let output = self.command(&["down"], &[]);
        if std::thread::panicking() {
            eprintln!("the logs of the site are in {}", self.dir.display());
            return;
        }
        assert!(output.status.success(), "the site does not stop: {output:?}");
        std::fs::remove_dir_all(&self.dir).expect("the site's directory can be removed");
    }
}

/// The `site` command that was built beside the program that runs.
pub fn site_command() -> Command {
    let mut command = Command::new(binary("site"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    command
}

/// A binary of the site, built beside the program that runs: a test is in
/// `deps/`, one folder further down.
pub fn binary(name: &str) -> PathBuf {
    let running = std::env::current_exe().expect("a running program has a path");
    let built = running.ancestors().skip(1).map(|folder| folder.join(name));
    built.into_iter().find(|path| path.is_file()).unwrap_or_else(|| panic!("{name} is not built"))
}

/// A port that nobody uses.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
