//! A line between the worker and NATS that can be cut, slowed and deafened: toxiproxy.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use stack::place::Layout;
use stack::ports::Port;
use stack::process::{Process, Spec};
use stack::progress::Progress;
use stack::records::{self, ReadyAt};
use stack::{TempDir, environment, install};
use support::client::Client;
use support::site::Site;
use support::wait::until;

/// The way that a worker's bytes go, and that of NATS's.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    ToNats,
    ToWorker,
}

/// A proxy before the site's NATS; it goes when dropped.
pub struct Proxy {
    api: Client,
    listen: SocketAddr,
    upstream: String,
    process: Process,
    _ports: [Port; 2],
    _dir: TempDir,
}

impl Proxy {
    /// Starts one, and has the worker use it from now on; all others go to NATS directly.
    pub async fn before_worker(site: &Site) -> Self {
        let proxy = Self::start(site).await;
        let layout = Layout::new(site.dir()).expect("a directory");
        let own = environment::Variables::from([(
            "NATS_URL".to_owned(),
            format!("nats://{}", proxy.listen),
        )]);
        let file = environment::own_file(&layout, "worker");
        records::write(&file, &own).expect("the stack's directory can be written");
        site.kill_and_wait("worker").await;
        proxy
    }

    async fn start(site: &Site) -> Self {
        let program = tokio::task::block_in_place(|| install::one("toxiproxy", &Progress::quiet()));
        let ports = std::array::from_fn(|_| Port::take().expect("a free port"));
        let [api, listen] = ports.each_ref().map(Port::address);
        let dir = TempDir::new().expect("a directory");
        let spec = Spec {
            name: "toxiproxy",
            program: program.expect("toxiproxy can be installed"),
            arguments: vec![
                "-host".into(),
                api.ip().to_string(),
                "-port".into(),
                api.port().to_string(),
            ],
            variables: environment::Variables::new(),
            log: dir.path().join("toxiproxy.log"),
            ready_at: Some(ReadyAt { address: api, path: "/version".into() }),
            grace: Duration::ZERO,
        };
        let process = spec.start().expect("toxiproxy starts");
        until("toxiproxy", Duration::from_secs(10), async || spec.readiness().ok()).await;
        let nats = site.json()["nats_url"].as_str().expect("an address").to_owned();
        let upstream = nats.trim_start_matches("nats://").to_owned();
        let api = Client::new(&format!("http://{api}"));
        let proxy = Self { api, listen, upstream, process, _ports: ports, _dir: dir };
        proxy.lay().await;
        proxy
    }

    async fn lay(&self) {
        let Self { listen, upstream, .. } = self;
        let line = json!({"name": "nats", "listen": listen, "upstream": upstream, "enabled": true});
        self.api.post_json("/proxies", &line).await.expect(201);
    }

    /// Ends every connection, and lets none be made.
    pub async fn cut(&self) {
        self.api.post_json("/proxies/nats", &json!({"enabled": false})).await.expect(200);
    }

    /// Every byte comes `latency` late, give or take a half, and so many kilobytes a second
    /// come at most.
    pub async fn slow(&self, latency: Duration, kilobytes: u64) {
        let millis = latency.as_millis() as u64;
        for way in [Way::ToNats, Way::ToWorker] {
            self.add("latency", way, json!({"latency": millis, "jitter": millis / 2})).await;
            self.add("bandwidth", way, json!({"rate": kilobytes})).await;
        }
    }

    /// What goes one way does not arrive; the connection stands.
    pub async fn swallow(&self, way: Way) {
        self.add("timeout", way, json!({"timeout": 0})).await;
    }

    /// The line is as it was. Connections of which bytes were swallowed are ended: no
    /// network goes on in the middle of a stream.
    pub async fn heal(&self) {
        let ended = self.api.try_ask(Method::DELETE, "/proxies/nats", None).await;
        ended.expect("toxiproxy answers").expect(204);
        self.lay().await;
    }

    async fn add(&self, kind: &str, way: Way, attributes: Value) {
        let stream = match way {
            Way::ToNats => "upstream",
            Way::ToWorker => "downstream",
        };
        let toxic = json!({"type": kind, "stream": stream, "attributes": attributes});
        let sent = self.api.try_json(Method::POST, "/proxies/nats/toxics", &toxic).await;
        sent.expect("toxiproxy answers").expect(200);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.process.kill();
    }
}
