//! A second `web` beside the one of a running site.

use std::fs::File;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Child, Command};
use std::time::Duration;

use axum::http::Method;

use super::client::Client;
use super::site::{Site, binary, free_port};
use super::wait::until;

/// What names the process to the site's own supervisor.
const MARKS: [&str; 2] = ["HEARTH_STACK", "HEARTH_PROCESS"];

/// Another `web` of the same site, on an address of its own; killed when dropped.
pub struct SecondWeb {
    child: Child,
    url: String,
}

impl SecondWeb {
    /// Starts it with the environment of the first, and waits until it is ready.
    pub async fn start(site: &Site) -> Self {
        let (http, ops) = (free_port(), free_port());
        let log = File::create(site.dir().join(format!("web-{http}.log"))).expect("a log");
        let mut command = Command::new(binary("web"));
        command.arg("serve").env_clear().envs(environment(site)).stderr(log);
        command.env("SITE_HTTP_ADDR", format!("127.0.0.1:{http}"));
        command.env("SITE_OPS_ADDR", format!("127.0.0.1:{ops}"));
        MARKS.iter().for_each(|mark| {
            command.env_remove(mark);
        });
        let child = command.spawn().expect("web runs");
        let second = Self { child, url: format!("http://127.0.0.1:{http}") };
        let ops = Client::new(&format!("http://127.0.0.1:{ops}"));
        until("ready second web", Duration::from_secs(30), || async {
            let answer = ops.try_ask(Method::GET, "/readyz", None).await;
            answer.ok().filter(|answer| answer.status == 200)
        })
        .await;
        second
    }

    /// `client`'s address, at this process.
    pub fn visitor(&self, address: &str) -> Client {
        Client::new(&self.url).from_address(address)
    }

    /// Sends a signal, such as `-KILL`, and waits for the end of the process.
    pub fn end(&mut self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(sent.success(), "the second web cannot be signalled");
        self.child.wait().expect("it ends");
    }
}

impl Drop for SecondWeb {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What the site's `web` was started with.
fn environment(site: &Site) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    let pid = site.pid("web").expect("web runs");
    let text = std::fs::read(format!("/proc/{pid}/environ")).expect("its environment");
    let variable = |entry: &[u8]| {
        let at = entry.iter().position(|byte| *byte == b'=')?;
        let text = |bytes: &[u8]| std::ffi::OsString::from_vec(bytes.to_vec());
        Some((text(&entry[..at]), text(&entry[at + 1..])))
    };
    text.split(|byte| *byte == 0).filter_map(variable).collect()
}
