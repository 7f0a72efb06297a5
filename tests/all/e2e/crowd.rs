//! Thousands of windows through faults: each hears every comment once, in order,
//! and the newest counters.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};
use stack::environment::{self, Variables};
use stack::place::Layout;
use stack::ports::Port;
use stack::records;
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::crowd::{AT_ONCE, Block, Crowd, Listener, Plan, Waker, raise_descriptor_limit};
use crate::support::site::{Site, binary};
use crate::support::wait::until;

/// Windows; fewer where the system gives too few descriptors.
const WINDOWS: usize = 10_000;
/// Descriptors of this process that are no windows.
const OTHERS: usize = 500;
/// Comments before, between and after the faults.
const COMMENTS: usize = 12;
const SOON: Duration = Duration::from_secs(60);
const TURN: Duration = Duration::from_millis(50);

/// What the windows have heard.
#[derive(Default)]
struct Ledger {
    /// The comments in the order of the first window that heard each.
    order: Vec<String>,
    places: BTreeMap<String, usize>,
    /// How many of them each window has heard, and the newest counter.
    heard: Vec<(usize, i64)>,
    /// What must not be.
    wrong: Vec<String>,
}

impl Listener for Ledger {
    fn heard(&mut self, window: usize, block: &Block<'_>) {
        let (Some(topic), Some(data)) = (block.topic, block.data) else { return };
        if topic == "reset" {
            self.wrong.push(format!("window {window} was told reset"));
        }
        let id = data.split("\"payload\":{\"id\":\"").nth(1).and_then(|rest| rest.get(..36));
        if topic.starts_with("comments.")
            && let Some(id) = id
        {
            self.comment(window, id);
        } else if topic.starts_with("metrics.views.") {
            let event: Value = serde_json::from_str(data).expect("data is JSON");
            self.heard[window].1 = event["payload"]["views"].as_i64().expect("a number");
        }
    }
}

impl Ledger {
    fn comment(&mut self, window: usize, id: &str) {
        let place = self.places.get(id).copied().unwrap_or_else(|| {
            self.order.push(id.to_owned());
            self.places.insert(id.to_owned(), self.order.len() - 1);
            self.order.len() - 1
        });
        let expected = self.heard[window].0;
        if place != expected {
            self.wrong.push(format!("window {window} heard comment {place} and not {expected}"));
        }
        self.heard[window].0 = place + 1;
    }

    /// Whether all have heard all.
    fn is_whole(&self, comments: usize, views: i64) -> bool {
        self.heard.iter().all(|heard| *heard == (comments, views))
    }
}

/// The windows, on a thread of their own.
struct Windows {
    orders: Sender<Order>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

type Order = Box<dyn FnOnce(&mut Crowd<Ledger>) + Send>;

impl Windows {
    fn open(address: SocketAddr, slug: &str, count: usize) -> Self {
        let line = format!("/events?topic=comments.{slug}&topic=metrics.views.{slug}");
        let plan = Plan {
            targets: vec![address],
            requests: vec![format!("GET {line} HTTP/1.1\r\nhost: hearth")],
            last_id: None,
            at_once: AT_ONCE,
            returns: true,
        };
        let heard = vec![(0, 0); count];
        let ledger = Ledger { heard, ..Ledger::default() };
        let mut crowd = Crowd::new(plan, ledger).expect("a poll");
        crowd.enter(count);
        let waker = crowd.waker().expect("a waker");
        let (orders, taken) = channel::<Order>();
        let thread = std::thread::spawn(move || {
            loop {
                crowd.turn(TURN).expect("the poll works");
                match taken.try_recv() {
                    Ok(order) => order(&mut crowd),
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => return,
                }
            }
        });
        Self { orders, waker, thread: Some(thread) }
    }

    /// What `look` sees of them.
    async fn ask<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Crowd<Ledger>) -> T + Send + 'static,
    ) -> T {
        let (sender, answer) = tokio::sync::oneshot::channel();
        let order = move |crowd: &mut Crowd<Ledger>| drop(sender.send(look(crowd)));
        self.orders.send(Box::new(order)).expect("the windows live");
        self.waker.wake().expect("the poll works");
        answer.await.expect("the windows answer")
    }

    /// Waits until all are open, each for another time after so many.
    async fn open_again(&self, times: usize) {
        until("all windows", SOON, || async {
            let all = move |crowd: &mut Crowd<Ledger>| {
                crowd.open() == crowd.len() && crowd.ended >= times * crowd.len()
            };
            self.ask(all).await.then_some(())
        })
        .await;
    }

    /// Waits until all have heard all, and nothing that must not be.
    async fn all_heard(&self, comments: usize, views: i64) {
        let look = move |crowd: &mut Crowd<Ledger>| {
            let ledger = &crowd.listener;
            (ledger.is_whole(comments, views), ledger.wrong.clone(), crowd.complaint.clone())
        };
        let begun = Instant::now();
        loop {
            let (whole, wrong, complaint) = self.ask(look).await;
            assert!(wrong.is_empty(), "{} faults, such as {:?}", wrong.len(), wrong.first());
            if whole {
                return;
            }
            assert!(begun.elapsed() < SOON, "not all have heard all; {complaint:?}");
            tokio::time::sleep(TURN).await;
        }
    }
}

impl Drop for Windows {
    fn drop(&mut self) {
        let (nobody, _) = channel();
        self.orders = nobody;
        let _ended = self.waker.wake();
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

/// A second `web` on the data and the bus of a site; it ends with this value.
struct Second {
    child: Child,
    address: SocketAddr,
}

impl Second {
    async fn start(site: &Site) -> Self {
        let port = Port::take().expect("a free port");
        let layout = Layout::new(site.dir()).expect("a directory");
        let mut variables: Variables = records::read(&layout.env_json()).expect("a running site");
        variables.insert("SITE_HTTP_ADDR".into(), port.address().to_string());
        let mut command = Command::new(binary("web"));
        environment::apply(&mut command, &variables);
        let log = std::fs::File::create(site.dir().join("second.log")).expect("a log");
        let child = command.arg("serve").stdout(log).stderr(Stdio::null()).spawn();
        let second = Self { child: child.expect("web runs"), address: port.address() };
        let client = Client::new(&format!("http://{}", second.address));
        until("a place of the second web", SOON, || async {
            let path = "/events?topic=blogroll&wait=0";
            let answer = client.try_ask(Method::GET, path, None).await.ok()?;
            answer.text().contains("id: ").then_some(())
        })
        .await;
        second
    }

    fn stop(&self) {
        stack::procfs::signal(self.child.id(), stack::Signal::TERM);
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Who writes comments and reads the post.
struct Writer {
    client: Client,
    slug: String,
    sent: usize,
}

impl Writer {
    /// Sends comments and views, each until it is accepted.
    async fn write(&mut self) {
        let path = format!("/api/v1/posts/{}/comments", self.slug);
        let beacon = json!({"path": format!("/posts/{}", self.slug)});
        for _ in 0..COMMENTS {
            self.sent += 1;
            let reader = self.client.from_address(&format!("203.0.113.{}", self.sent));
            let once = self.client.with("idempotency-key", &Uuid::now_v7().to_string());
            let comment = json!({"author": "Ada", "body": format!("Comment {}", self.sent)});
            insist(&once, &path, &comment, 202).await;
            insist(&reader, "/hits", &beacon, 204).await;
        }
    }
}

async fn insist(client: &Client, path: &str, body: &Value, status: u16) {
    until(&format!("{status} of {path}"), SOON, || async {
        let answer = client.try_json(Method::POST, path, body).await.ok()?;
        assert!(!answer.status.is_client_error(), "{path}: {}", answer.text());
        (answer.status == status).then_some(())
    })
    .await;
}

fn address(site: &Site) -> SocketAddr {
    let url = site.json()["url"].as_str().expect("a url").to_owned();
    url.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address")
}

#[tokio::test]
async fn invariant_6_ten_thousand_windows_hear_all_once_in_order_across_faults_and_deploys() {
    let site = Site::start(&[("TRUSTED_PROXIES", "127.0.0.0/8"), ("LIVE_RETURN_SECONDS", "2")]);
    let count = WINDOWS.min(raise_descriptor_limit() - OTHERS);
    let (slug, first) = (site.post("crowd").await, address(&site));
    let mut writer = Writer { client: site.admin(), slug: slug.clone(), sent: 0 };
    let begun = Instant::now();
    let windows = Windows::open(first, &slug, count);
    windows.open_again(0).await;
    println!("{count} windows opened in {:.1} s", begun.elapsed().as_secs_f64());
    writer.write().await;

    let nats = site.pid("nats");
    site.signal("nats", "-KILL");
    writer.write().await;
    site.replaced("nats", nats).await;
    windows.all_heard(writer.sent, writer.sent as i64).await;
    assert_eq!(windows.ask(|crowd| crowd.ended).await, 0, "NATS is no concern of a window's");
    println!("after kill -9 of NATS: {:.1} s", begun.elapsed().as_secs_f64());

    let second = Second::start(&site).await;
    let (other, web) = (second.address, site.pid("web"));
    windows.ask(move |crowd| crowd.aim(vec![other])).await;
    site.signal("web", "-TERM");
    writer.client = site.admin_at(&format!("http://{other}"));
    writer.write().await;
    windows.open_again(1).await;
    site.replaced("web", web).await;
    site.ready().await;
    windows.ask(move |crowd| crowd.aim(vec![first])).await;
    second.stop();
    writer.client = site.admin();
    writer.write().await;
    windows.open_again(2).await;
    windows.all_heard(writer.sent, writer.sent as i64).await;
    let (sent, took) = (writer.sent, begun.elapsed().as_secs_f64());
    println!("after two webs were replaced: {took:.1} s; {sent} comments to each");
}
