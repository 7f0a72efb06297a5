//! The engine against a simple model: whatever happens in whatever order, each
//! client sees what it must.

mod polls;
mod reader;

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use shared::bus::replay::Stored;
use shared::subject::Topic;

use super::engine::{Engine, HEARTBEAT, Newcomer};
use super::frame::Framing;
use super::replay::{Answer, Ask};
use super::{Cursor, Resume};
use reader::{Client, Sink};

/// Two logs, a counter, a sample.
const TOPICS: [&str; 4] = ["comments.a", "comments.b", "metrics.views.a", "metrics.live"];
const LOGS: usize = 2;
/// Events of one answer of the stream.
const PAGE: usize = 5;

#[derive(Debug, Clone)]
enum Op {
    /// The stream stores so many events of a topic.
    Publish(usize, usize),
    /// The process hears all that is stored.
    Hear,
    /// So much time passes.
    Pass(u64),
    /// A client comes: its topics, its framing, where it begins.
    Connect(u8, bool, Begin),
    /// A client comes back with its cursor.
    Return(usize),
    /// A client goes.
    Leave(usize),
    /// A client's socket breaks.
    Break(usize),
    /// A client's socket takes so many bytes more.
    Read(usize, usize),
    /// The stream answers.
    Answer,
    /// The stream begins another life.
    Life,
    /// The stream forgets its oldest events, but so many.
    Forget(usize),
}

#[derive(Debug, Clone, Copy)]
enum Begin {
    Now,
    /// As a page of another process, which has heard all.
    Newest,
    /// With a cursor of no place.
    Beyond,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let begin = prop_oneof![Just(Begin::Now), Just(Begin::Newest), Just(Begin::Beyond)];
    let client = 0..6usize;
    let op = prop_oneof![
        6 => (0..TOPICS.len(), 1..40usize).prop_map(|(topic, count)| Op::Publish(topic, count)),
        1 => (0..LOGS, 100..200usize).prop_map(|(topic, count)| Op::Publish(topic, count)),
        6 => Just(Op::Hear),
        6 => (0..2000u64).prop_map(Op::Pass),
        1 => Just(Op::Pass(HEARTBEAT)),
        4 => (1..16u8, any::<bool>(), begin).prop_map(|(t, f, b)| Op::Connect(t, f, b)),
        4 => client.clone().prop_map(Op::Return),
        1 => client.clone().prop_map(Op::Leave),
        1 => client.clone().prop_map(Op::Break),
        8 => (client, 0..3000usize).prop_map(|(client, bytes)| Op::Read(client, bytes)),
        6 => Just(Op::Answer),
        1 => Just(Op::Life),
        1 => (0..300usize).prop_map(Op::Forget),
    ];
    proptest::collection::vec(op, 1..120)
}

#[derive(Default)]
struct Life {
    events: Vec<Stored>,
    /// Events before this are forgotten.
    first: usize,
}

struct World {
    engine: Engine<Sink>,
    lives: Vec<Life>,
    heard: usize,
    now: u64,
    clients: Vec<Client>,
    asks: Vec<Ask>,
}

fn epoch(life: usize) -> Arc<str> {
    format!("{life:x}").into()
}

impl World {
    fn new() -> Self {
        let engine = Engine::new();
        let (lives, clients, asks) = (Vec::new(), Vec::new(), Vec::new());
        Self { engine, lives, heard: 0, now: 0, clients, asks }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Publish(topic, count) => self.publish(topic, count),
            Op::Hear => self.hear(),
            Op::Pass(time) => self.now += time,
            Op::Connect(topics, chunked, begin) => self.connect(topics, chunked, begin),
            Op::Return(client) => self.come_back(client),
            Op::Leave(client) => self.leave(client),
            Op::Break(client) => {
                if let Some(client) = self.clients.get(client) {
                    client.pipe.borrow_mut().broken = true;
                }
            }
            Op::Read(client, bytes) => self.read(client, bytes),
            Op::Answer => self.answer(),
            Op::Life => self.live(),
            Op::Forget(keep) => {
                if let Some(life) = self.lives.last_mut() {
                    life.first = life.first.max(life.events.len().saturating_sub(keep));
                }
            }
        }
        self.engine.flush(self.now);
        self.engine.beat(self.now);
        while let Some(ask) = self.engine.next_ask() {
            self.asks.push(ask);
        }
        self.look();
    }

    fn publish(&mut self, topic: usize, count: usize) {
        if let Some(life) = self.lives.last_mut() {
            for _ in 0..count {
                let seq = life.events.len() as u64 + 1;
                let topic = TOPICS[topic].parse().unwrap();
                life.events.push(Stored { seq, topic, body: Bytes::from_static(b"{\"v\":1}") });
            }
        }
    }

    fn hear(&mut self) {
        if let Some(life) = self.lives.last() {
            life.events[self.heard..].iter().for_each(|event| self.engine.take(event));
            self.heard = life.events.len();
        }
    }

    fn live(&mut self) {
        self.lives.push(Life::default());
        self.heard = 0;
        self.engine.begin(&epoch(self.lives.len() - 1), (0, 0), &[]);
    }

    fn newest(&self) -> Option<Cursor> {
        let life = self.lives.last()?;
        Some(Cursor { epoch: epoch(self.lives.len() - 1), seq: life.events.len() as u64 })
    }

    fn connect(&mut self, topics: u8, chunked: bool, begin: Begin) {
        let chosen = TOPICS.iter().enumerate().filter(|(bit, _)| topics & (1 << bit) != 0);
        let client = Client {
            topics: chosen.map(|(_, name)| name.parse().unwrap()).collect(),
            framing: if chunked { Framing::Chunked } else { Framing::Plain },
            at: None,
            begin: 0,
            counters: Vec::new(),
            pipe: Rc::default(),
            conn: 0,
        };
        let resume = match (begin, self.newest()) {
            (Begin::Now, _) | (_, None) => Resume::Now,
            (Begin::Newest, Some(at)) => Resume::After(at),
            (Begin::Beyond, Some(at)) => Resume::After(Cursor { seq: u64::MAX, ..at }),
        };
        self.clients.push(client);
        self.attach(self.clients.len() - 1, &resume);
    }

    fn come_back(&mut self, client: usize) {
        self.leave(client);
        if let Some(gone) = self.clients.get(client) {
            let resume = gone.at.clone().map_or(Resume::Now, Resume::After);
            self.attach(client, &resume);
        }
    }

    fn attach(&mut self, client: usize, resume: &Resume) {
        let conn = self.engine.next_conn();
        let client = &mut self.clients[client];
        client.pipe = Rc::default();
        client.pipe.borrow_mut().room = 100;
        client.conn = conn;
        let (sink, head) = (Sink(Rc::clone(&client.pipe)), Bytes::new());
        let (topics, framing) = (&client.topics[..], client.framing);
        let (retry, greeted, until) = (1000, false, None);
        let newcomer =
            Newcomer { sink, framing, head, topics, resume, known_at: 0, retry, greeted, until };
        self.engine.connect(newcomer);
    }

    fn is_connected(&self, client: usize) -> bool {
        self.clients.get(client).is_some_and(|client| Rc::strong_count(&client.pipe) == 2)
    }

    fn leave(&mut self, client: usize) {
        if self.is_connected(client) {
            self.look();
            self.engine.close(self.clients[client].conn);
        }
    }

    fn read(&mut self, client: usize, bytes: usize) {
        if self.is_connected(client) {
            let client = &self.clients[client];
            client.pipe.borrow_mut().room += bytes;
            self.engine.writable(client.conn);
        }
    }

    /// Answers as the stream does, a few events at a time.
    fn answer(&mut self) {
        if self.asks.is_empty() {
            return;
        }
        let ask = self.asks.remove(0);
        let life = self.lives.last().expect("a stream that was asked");
        let last = life.events.len() as u64;
        let known = ask.epoch == epoch(self.lives.len() - 1) && ask.after <= last;
        let held = ask.after >= ask.until || life.first as u64 <= ask.after;
        let answer = if known && held { page(life, &ask) } else { Answer::Lost };
        self.engine.answered(ask.conn, ask.ticket, &answer);
    }

    /// Lets each client take in what its socket took.
    fn look(&mut self) {
        let lives = &self.lives;
        self.clients.iter_mut().for_each(|client| client.look(lives));
    }

    /// Lets everything come to rest, and looks whether all have what they must.
    fn rest(&mut self) {
        if self.lives.is_empty() {
            self.live();
        }
        for client in 0..self.clients.len() {
            if !self.is_connected(client) || self.clients[client].pipe.borrow().broken {
                self.come_back(client);
            }
            self.read(client, 1 << 20);
        }
        self.run(Op::Hear);
        for _ in 0..2000 {
            for client in 0..self.clients.len() {
                self.run(Op::Read(client, 1 << 20));
            }
            self.run(Op::Pass(1000));
            self.run(Op::Answer);
            if self.asks.is_empty() && self.engine.next_due().is_none() {
                break;
            }
        }
        assert!(self.asks.is_empty(), "it does not come to rest");
        for client in 0..self.clients.len() {
            assert!(self.is_connected(client), "a client that reads was closed");
            self.clients[client].has_all(self.lives.last().unwrap(), &epoch(self.lives.len() - 1));
        }
        for client in 0..self.clients.len() {
            self.leave(client);
        }
        assert_eq!(self.engine.counts().0, 0);
    }
}

fn page(life: &Life, ask: &Ask) -> Answer {
    let owed = |event: &&Stored| {
        event.seq > ask.after && event.seq <= ask.until && ask.topics.contains(&event.topic)
    };
    let events: Vec<Stored> = life.events.iter().filter(owed).take(PAGE).cloned().collect();
    let full = events.len() == PAGE;
    let until = events.last().filter(|_| full).map_or(ask.until, |event| event.seq);
    Answer::Events { events, until }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn invariant_6_each_client_sees_what_it_must_in_any_order_of_things(ops in ops()) {
        let mut world = World::new();
        ops.into_iter().for_each(|op| world.run(op));
        world.rest();
    }
}
