//! A live edge beside a running site.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;

use super::client::Client;
use super::site::{Site, binary, free_port};
use super::wait::until;

/// How long an edge may take to start, and to stop.
const SOON: Duration = Duration::from_secs(20);

/// `web serve --role live`, told of NATS alone; it is killed when dropped.
pub struct Edge {
    process: Child,
    url: String,
    ops: Client,
}

impl Edge {
    /// An edge of the site, with more variables.
    pub async fn start(site: &Site, variables: &[(&str, &str)]) -> Self {
        let [http, ops] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        let process = Command::new(binary("web"))
            .args(["serve", "--role", "live"])
            .current_dir(Path::new("/"))
            .env_clear()
            .env("NATS_URL", site.json()["nats_url"].as_str().expect("an address"))
            .envs([("SITE_HTTP_ADDR", &http), ("SITE_OPS_ADDR", &ops)])
            .env("TRUSTED_PROXIES", "127.0.0.1")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("an edge can be started");
        let url = format!("http://{http}");
        let edge = Self { process, url, ops: Client::new(&format!("http://{ops}")) };
        until("ready edge", SOON, || async {
            let answer = edge.ops.try_ask(Method::GET, "/readyz", None).await;
            answer.ok().filter(|answer| answer.status == 200)
        })
        .await;
        edge
    }

    /// A client at this edge as `client` is one of the site.
    pub fn client(&self, client: &Client) -> Client {
        client.at(&self.url)
    }

    /// A client of its ops listener.
    pub fn ops(&self) -> &Client {
        &self.ops
    }

    /// The sum of a metric's samples whose line begins with `name`.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.ops.get("/metrics").await.expect(200).text();
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Waits until a metric has this value.
    pub async fn shows(&self, name: &str, value: f64) {
        until(&format!("{name} {value}"), SOON, || async {
            (self.metric(name).await == value).then_some(())
        })
        .await;
    }

    /// Tells it to stop, and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success(), "the edge cannot be told to stop");
        let process = Mutex::new(&mut self.process);
        until("end of the edge", SOON, || async {
            let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
            process.try_wait().expect("the edge is a child")
        })
        .await
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}
