//! What the pattern costs: a comment by a plain request that does all in the
//! handler, beside Hearth's 202, job and event.

mod load;
pub mod plain;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use stack::TempDir;
use stack::ports::Port;
use support::client::Client;
use support::site::Site;

use crate::report::keep;
use load::{Found, load};

/// Clients at once.
const CLIENTS: [usize; 3] = [1, 64, 512];
/// Clients while the database is locked.
const STALLED_CLIENTS: usize = 64;
/// How long it is locked.
const STALL: Duration = Duration::from_secs(2);

/// How much is measured.
#[derive(clap::Args)]
#[command(after_help = "Example: ./site bench pattern -- --rounds 1 --requests 500")]
pub struct Options {
    /// Of how many rounds the medians are
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many requests each number of clients sends in all
    #[arg(long, default_value_t = 4000)]
    requests: usize,
    /// Only this one
    #[arg(long, value_parser = ["plain", "hearth"])]
    only: Option<String>,
}

/// Where comments are sent.
pub struct Target {
    client: Client,
    path: String,
    /// The database, to lock it.
    database: std::path::PathBuf,
}

/// Measures both in each round.
pub async fn run(options: &Options) {
    let mut rows: Vec<Row> = Vec::new();
    for number in 1..=options.rounds {
        eprintln!("round {number} of {}", options.rounds);
        if options.only.as_deref() != Some("hearth") {
            let plain = Plain::start();
            measure("plain", &plain.target(), options, &mut rows).await;
        }
        if options.only.as_deref() != Some("plain") {
            let site = Site::start(&[("COMMENTS_MODERATION", "none")]);
            measure("hearth", &of_site(&site).await, options, &mut rows).await;
        }
    }
    show(&rows, options);
}

/// One line of the table: the rounds of one case.
struct Row {
    name: &'static str,
    case: String,
    rounds: Vec<Found>,
}

async fn measure(name: &'static str, target: &Target, options: &Options, rows: &mut Vec<Row>) {
    load(target, 1, 50).await;
    for clients in CLIENTS {
        let found = load(target, clients, options.requests).await;
        add(rows, name, format!("{clients} clients"), found);
    }
    let stalled = async {
        let loaded = load(target, STALLED_CLIENTS, options.requests);
        tokio::join!(loaded, lock(target)).0
    };
    add(rows, name, format!("{STALLED_CLIENTS}, locked for 2 s"), stalled.await);
}

fn add(rows: &mut Vec<Row>, name: &'static str, case: String, found: Found) {
    match rows.iter_mut().find(|row| row.name == name && row.case == case) {
        Some(row) => row.rounds.push(found),
        None => rows.push(Row { name, case, rounds: vec![found] }),
    }
}

/// Holds the database's write lock for a while, as a long transaction does.
async fn lock(target: &Target) {
    let database = target.database.clone();
    let hold = move || {
        let mut conn = Connection::open(database)?;
        conn.busy_handler(Some(try_again))?;
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        conn.execute_batch("BEGIN IMMEDIATE")?;
        std::thread::sleep(STALL);
        conn.execute_batch("ROLLBACK")
    };
    let held = tokio::task::spawn_blocking(hold).await;
    held.expect("it does not panic").expect("the database can be locked");
}

/// SQLite's own handler sleeps so long between two tries that a busy server
/// would always be faster.
fn try_again(_times: i32) -> bool {
    std::thread::sleep(Duration::from_millis(1));
    true
}

async fn of_site(site: &Site) -> Target {
    let slug = site.post("pattern").await;
    Target {
        client: site.admin(),
        path: format!("/api/v1/posts/{slug}/comments"),
        database: site.path("data_dir").join("data.db"),
    }
}

/// The plain server in a process of its own.
struct Plain {
    child: Child,
    port: Port,
    dir: TempDir,
}

impl Plain {
    fn start() -> Self {
        let (dir, port) = (TempDir::new().expect("a directory"), Port::take().expect("a port"));
        let program = std::env::current_exe().expect("a running program has a path");
        let mut command = Command::new(program);
        command.arg("plain").arg(dir.path().join("plain.db")).arg(port.address().to_string());
        let child = command.stdout(Stdio::null()).spawn().expect("the plain server starts");
        let address = port.address();
        let connect = || std::net::TcpStream::connect(address).ok();
        stack::eventually("a plain server", Duration::from_secs(10), connect);
        Self { child, port, dir }
    }

    fn target(&self) -> Target {
        Target {
            client: Client::new(&format!("http://{}", self.port.address())),
            path: "/comments".to_owned(),
            database: self.dir.path().join("plain.db"),
        }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Row {
    fn median(&self, of: impl Fn(&Found) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    }

    /// Prints it and gives it as JSON.
    fn show(&self) -> Value {
        let Self { name, case, rounds } = self;
        let [p50, p99, max] =
            [|it: &Found| it.p50_ms, |it: &Found| it.p99_ms, |it: &Found| it.max_ms]
                .map(|of| self.median(of));
        let (speed, errors) = (self.median(|it| it.per_second), self.median(|it| it.errors as f64));
        println!(
            "{name:<8} {case:<20} {p50:>9.2} {p99:>9.2} {max:>9.2} {speed:>9.0} {errors:>7.0}"
        );
        json!({
            "name": name, "case": case, "p50_ms": p50, "p99_ms": p99, "max_ms": max,
            "per_second": speed.round(), "errors": errors, "rounds": rounds.len(),
        })
    }
}

fn show(rows: &[Row], options: &Options) {
    let Options { rounds, requests, .. } = options;
    println!("{requests} comments each; medians of {rounds}; from request to answer");
    let head = ("p50 ms", "p99 ms", "max ms", "per s", "errors");
    println!("{:<29} {:>9} {:>9} {:>9} {:>9} {:>7}", "", head.0, head.1, head.2, head.3, head.4);
    let rows: Vec<Value> = rows.iter().map(Row::show).collect();
    keep("pattern", &json!({"requests": requests, "rows": rows}));
}
