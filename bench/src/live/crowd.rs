//! The clients, in a process of their own.

use std::io::{BufRead as _, stdin};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::json;
use support::crowd::{Block, Crowd, Listener, Plan, raise_descriptor_limit};

use super::ears::Ears;
use super::mark::Mark;
use super::tally::Heard;
use crate::program::Program;
use crate::setup::this_program;

/// Nobody has heard anything for so long: what is missing does not come.
const SILENCE: Duration = Duration::from_secs(10);
/// All must have connected by then.
const OPENED_WITHIN: Duration = Duration::from_secs(120);
const WAIT: Duration = Duration::from_millis(200);

/// What the clients ask for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    pub address: SocketAddr,
    /// Paths, of which each client has the next one.
    pub paths: Vec<String>,
    /// Where they begin.
    pub last_id: Option<String>,
    /// How many are let in at once.
    pub at_once: usize,
    /// What a client posts once it knows its id, where that is how it says what
    /// it wants: the path, and the topics.
    pub subscribe: Option<(String, Vec<String>)>,
}

/// How it went to let clients in.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Opened {
    pub seconds: f64,
    pub open: usize,
    /// Why a connection failed or ended.
    pub complaint: Option<String>,
}

/// The clients, as the bench commands them.
pub struct Clients(Program);

impl Clients {
    /// Starts the process; nobody connects yet.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(request: &Request) -> Result<Self, String> {
        let request = serde_json::to_string(request).map_err(|error| error.to_string())?;
        Program::start(this_program().arg("crowd").arg(request)).map(Self)
    }

    /// Lets `count` more in; each has its place once it has heard so many
    /// events.
    ///
    /// # Errors
    /// When one does not get in.
    pub fn open(&mut self, count: usize, events: usize) -> Result<Opened, String> {
        self.0.say(&format!("open {count} {events}"))?;
        let opened: Opened = self.0.answer()?;
        match opened.complaint {
            Some(why) => Err(format!("{} of {count} connected: {why}", opened.open)),
            None => Ok(opened),
        }
    }

    /// Lets them listen for so many events each; [`Clients::heard`] says what
    /// they heard.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn listen(&mut self, events: usize) -> Result<(), String> {
        self.0.say(&format!("listen {events}"))?;
        self.0.hear("listening").map(|_| ())
    }

    /// What they heard, once that is all, or nothing comes any more.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn heard(&self) -> Result<Heard, String> {
        self.0.answer()
    }

    /// Lets all go.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn leave(&mut self) -> Result<(), String> {
        self.0.say("leave")?;
        self.0.hear("left").map(|_| ())
    }
}

/// The process of the clients.
#[derive(clap::Args)]
pub struct Process {
    /// A [`Request`] as JSON.
    request: String,
}

/// What they do now.
enum Task {
    None,
    Open { since: Instant, clients: usize, events: usize },
    Listen { events: usize, newest: (usize, Instant) },
}

impl Process {
    /// Does as it is told until its input ends.
    ///
    /// # Errors
    /// When the system gives too little.
    pub fn run(&self) -> Result<(), String> {
        raise_descriptor_limit();
        let request: Request = serde_json::from_str(&self.request).map_err(|e| e.to_string())?;
        let ears = Ears::new(&request)?;
        let crowd = Crowd::new(request.plan(), ears).map_err(|error| error.to_string())?;
        let told = told(&crowd)?;
        println!("ready 0");
        let mut work = Work { crowd, task: Task::None };
        loop {
            work.crowd.turn(WAIT).map_err(|error| error.to_string())?;
            match told.try_recv() {
                Ok(Some(line)) => work.told(&line),
                Ok(None) => return Ok(()),
                Err(_) => {}
            }
            work.look();
        }
    }
}

impl Request {
    fn plan(&self) -> Plan {
        let head = |path: &String| {
            format!("GET {path} HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream")
        };
        Plan {
            targets: vec![self.address],
            requests: self.paths.iter().map(head).collect(),
            last_id: self.last_id.clone(),
            at_once: self.at_once,
            returns: false,
        }
    }
}

/// The lines of the input, and its end.
fn told(crowd: &Crowd<Ears>) -> Result<Receiver<Option<String>>, String> {
    let waker = crowd.waker().map_err(|error| error.to_string())?;
    let (sender, lines) = channel();
    thread::spawn(move || {
        let read = stdin().lock().lines().map_while(Result::ok).map(Some);
        for line in read.chain([None]) {
            if sender.send(line).is_err() || waker.wake().is_err() {
                return;
            }
        }
    });
    Ok(lines)
}

struct Work {
    crowd: Crowd<Ears>,
    task: Task,
}

impl Work {
    fn told(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (verb, mut number) = (words.next(), || words.next()?.parse().ok());
        match verb {
            Some("open") => {
                let (count, events) = (number().unwrap_or(0), number().unwrap_or(0));
                self.crowd.listener.tally.restart();
                self.crowd.enter(count);
                let clients = self.crowd.len();
                self.task = Task::Open { since: Instant::now(), clients, events };
            }
            Some("listen") => {
                self.crowd.listener.tally.restart();
                let events = number().unwrap_or(0);
                self.task = Task::Listen { events, newest: (0, Instant::now()) };
                println!("listening 0");
            }
            _ => {
                self.crowd.leave();
                println!("left 0");
            }
        }
    }

    /// Answers when the task is done.
    fn look(&mut self) {
        let heard = self.crowd.listener.tally.heard;
        let done = match &mut self.task {
            Task::None => None,
            Task::Open { since, clients, events } => {
                let took = since.elapsed();
                let in_place = self.crowd.listener.in_place(self.crowd.open());
                let all = in_place >= *clients && heard >= *events * *clients;
                let failed = self.crowd.complaint.clone();
                let failed = failed.or_else(|| self.crowd.listener.complaint.clone());
                let late = (took > OPENED_WITHIN).then(|| "the others wait".to_owned());
                let complaint = failed.or(late);
                let opened = Opened { seconds: took.as_secs_f64(), open: in_place, complaint };
                (all || opened.complaint.is_some()).then(|| json!(opened))
            }
            Task::Listen { events, newest } => {
                if newest.0 != heard {
                    *newest = (heard, Instant::now());
                }
                let expected = *events * self.crowd.len();
                let over = heard >= expected || newest.1.elapsed() > SILENCE;
                over.then(|| json!(self.crowd.listener.tally.sum(expected)))
            }
        };
        if let Some(answer) = done {
            self.task = Task::None;
            println!("{answer}");
        }
    }
}

/// Where the event that was heard first stands, and what follows it: for
/// clients that come back. `publish` sends the events that are heard.
///
/// # Errors
/// When none is heard.
pub fn first_place(
    request: &Request,
    mut publish: impl FnMut() -> Result<(), String>,
) -> Result<String, String> {
    #[derive(Default)]
    struct First(Option<String>);
    impl Listener for First {
        fn heard(&mut self, _client: usize, block: &Block<'_>) {
            let marked = block.data.is_some_and(|data| Mark::find(data).is_some());
            if self.0.is_none() && marked {
                self.0 = block.id.map(str::to_owned);
            }
        }
    }
    let crowd = Crowd::new(request.plan(), First::default());
    let mut crowd = crowd.map_err(|error| error.to_string())?;
    crowd.enter(1);
    let deadline = Instant::now() + SILENCE;
    let mut published = false;
    while Instant::now() < deadline {
        crowd.turn(WAIT).map_err(|error| error.to_string())?;
        if crowd.open() == 1 && !published {
            published = true;
            publish()?;
        }
        if let Some(place) = crowd.listener.0.take() {
            return Ok(place);
        }
    }
    Err("no event with an id comes".to_owned())
}
