//! Who gets what, and when: the hub without its sockets, threads and clocks.
//!
//! A ring is the queue of all who watch its topic. A connection is its place in
//! the stream: what it lacks is picked from its rings whenever there is news
//! and its socket has room. So one that reads slowly costs no more than one
//! that does not, and holds nobody up.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use shared::bus::replay::Stored;
use shared::subject::Topic;
use slab::Slab;

use super::conn::Conn;
use super::frame::{Frame, Framing, LAST_CHUNK, Piece};
use super::meters::Tally;
use super::policy;
use super::polls::Polls;
use super::replay::{Answer, Ask, owed};
use super::topics::{Member, Pick, Topics, Watcher};
use super::{Cursor, Resume};

/// Replays under way at most; who comes then waits.
const REPLAYS: usize = 16;
/// A silent connection is told from a dead one by a comment line so often. One
/// that takes nothing for as long is closed: it comes back with its cursor.
pub(super) const HEARTBEAT: u64 = 25_000;
/// Who is asked again who it is comes back after so long, in milliseconds; each a
/// little later than its neighbour, up to [`LATEST`] of them.
const ASKED_AGAIN: u128 = 200;
const LATER_EACH: u128 = 50;
const LATEST: u32 = 32;

/// All connections and topics. `S` is a socket.
pub(super) struct Engine<S> {
    /// Of the stream; none until NATS was reached.
    epoch: Option<Arc<str>>,
    /// The newest event.
    last: u64,
    topics: Topics,
    conns: Slab<Conn<S>>,
    /// Who waits for a replay that was not asked for yet.
    behind: VecDeque<(u32, u32)>,
    replays: usize,
    tickets: u32,
    /// The next connection that gets a heartbeat, and until when that was due.
    beaten: (usize, u64),
    polls: Polls,
    /// Somebody may watch no longer what it watches.
    withdrawn: bool,
    /// The event that said so last.
    withdrawn_at: u64,
    tally: Tally,
    dead: Vec<u32>,
    picks: Vec<Pick>,
    scratch: Vec<u8>,
}

/// A connection that begins to watch.
pub(super) struct Newcomer<'a, S> {
    pub(super) sink: S,
    pub(super) framing: Framing,
    /// What is sent first: the head of the answer.
    pub(super) head: Bytes,
    pub(super) topics: &'a [Topic],
    pub(super) resume: &'a Resume,
    /// The newest event when it said who it is.
    pub(super) known_at: u64,
    /// The pause before it reconnects, in milliseconds.
    pub(super) retry: u128,
    /// Whether a script wants to see that the stream has begun.
    pub(super) greeted: bool,
    /// When its answer ends at the latest, if it polls; it ends with the first
    /// events.
    pub(super) until: Option<u64>,
}

impl<S: Write> Engine<S> {
    pub(super) fn new() -> Self {
        Self {
            epoch: None,
            last: 0,
            topics: Topics::default(),
            conns: Slab::new(),
            behind: VecDeque::new(),
            replays: 0,
            tickets: 0,
            beaten: (0, 0),
            polls: Polls::default(),
            withdrawn: false,
            withdrawn_at: 0,
            tally: Tally::default(),
            dead: Vec::new(),
            picks: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Begins a life of the stream, with the newest of its events: after
    /// `floor`, up to `last`. Everyone loads their data again.
    pub(super) fn begin(&mut self, epoch: &Arc<str>, (floor, last): (u64, u64), events: &[Stored]) {
        self.topics.clear(floor);
        (self.epoch, self.last) = (Some(Arc::clone(epoch)), floor);
        events.iter().for_each(|event| self.take(event));
        self.last = last;
        // What was withdrawn in between is in no stream.
        self.withdrawn = true;
        for conn in self.ids() {
            self.conns[conn as usize].lose();
            self.pump(conn);
        }
        self.sweep();
    }

    /// Takes the next event in order; one that was seen is left out.
    pub(super) fn take(&mut self, event: &Stored) {
        if let Some(epoch) = &self.epoch
            && event.seq > self.last
        {
            self.last = event.seq;
            self.tally.events += 1;
            if policy::withdraws(event) {
                (self.withdrawn, self.withdrawn_at) = (true, event.seq);
            }
            self.topics.push(event, epoch);
        }
    }

    /// Sends the news whose time has come, and ends the answers whose time is over.
    pub(super) fn flush(&mut self, now: u64) {
        for topic in self.topics.due(now) {
            let mut place = 0;
            while let Some(watcher) = self.topics.watcher(topic, place) {
                self.pump(watcher.conn);
                place += 1;
            }
        }
        for id in self.polls.over(now) {
            self.conns[id as usize].told = true;
            self.end_poll(id);
        }
        if std::mem::take(&mut self.withdrawn) {
            for id in self.topics.guarded() {
                self.ask_again(id);
            }
        }
        self.sweep();
    }

    /// When [`Engine::flush`] has something to do.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.topics.next_due().into_iter().chain(self.polls.next_due()).min()
    }

    /// The number that the next connection will have.
    pub(super) fn next_conn(&self) -> usize {
        self.conns.vacant_key()
    }

    /// Adds a connection.
    pub(super) fn connect(&mut self, newcomer: Newcomer<'_, S>) {
        let Newcomer { sink, framing, head, topics, resume, known_at, retry, greeted, until } =
            newcomer;
        let id = u32::try_from(self.next_conn()).expect("sockets are counted by 32 bits");
        let at = self.place(resume);
        let join = |(index, topic)| self.topics.join(topic, Watcher { conn: id, index });
        let members: Box<[Member]> = (0..).zip(topics).map(join).collect();
        let mut conn = Conn::new(sink, framing, at.unwrap_or(self.last), members);
        let cursor = self.epoch.clone().zip(at).map(|(epoch, seq)| Cursor { epoch, seq });
        let hello = match (greeted, until) {
            (_, Some(until)) => {
                self.polls.begin(id, until, retry);
                None
            }
            (true, None) => Some(Piece::greeting(retry, cursor.as_ref())),
            (false, None) => Some(Piece::hello(retry, cursor.as_ref())),
        };
        let hello = hello.as_ref().map_or(&[][..], |hello| hello.bytes(framing));
        conn.send_bytes([&head, hello].concat().into());
        if at.is_none() {
            conn.lose();
        }
        self.conns.insert(conn);
        let asked = self.behind.len();
        self.pump(id);
        let back = matches!(resume, Resume::After(_)) && at.is_some();
        self.tally.ring += u64::from(back && self.behind.len() == asked);
        if known_at < self.withdrawn_at && topics.iter().any(policy::is_guarded) {
            self.ask_again(id);
        }
        self.sweep();
    }

    /// Where a client begins; none when its place means nothing here.
    fn place(&self, resume: &Resume) -> Option<u64> {
        let epoch = self.epoch.as_ref()?;
        match resume {
            Resume::Now => Some(self.last),
            Resume::After(cursor) => (cursor.epoch == *epoch).then_some(cursor.seq),
        }
    }

    /// A socket has room again.
    pub(super) fn writable(&mut self, conn: usize) {
        if let Some(full) = self.conns.get_mut(conn).filter(|conn| conn.is_full()) {
            full.resume();
            self.pump(u32::try_from(conn).expect("it was given out as one"));
            self.sweep();
        }
    }

    /// The socket of a connection, to be read from.
    pub(super) fn sink(&mut self, conn: usize) -> Option<&mut S> {
        self.conns.get_mut(conn).map(|conn| &mut conn.sink)
    }

    /// Forgets a connection.
    pub(super) fn close(&mut self, conn: usize) {
        let Some(gone) = self.conns.try_remove(conn) else {
            return;
        };
        self.polls.end(u32::try_from(conn).expect("it was given out as one"));
        for member in gone.members {
            if let Some(moved) = self.topics.leave(member)
                && let Some(other) = self.conns.get_mut(moved.conn as usize)
            {
                other.members[moved.index as usize].place = member.place;
            }
        }
        if self.conns.capacity() > 1024 && self.conns.len() * 4 < self.conns.capacity() {
            self.conns.shrink_to_fit();
        }
    }

    /// Closes those whose socket failed.
    fn sweep(&mut self) {
        for conn in std::mem::take(&mut self.dead) {
            self.close(conn as usize);
        }
    }

    /// Sends a connection what it lacks, as far as its socket takes it.
    fn pump(&mut self, id: u32) {
        let Some(conn) = self.conns.get_mut(id as usize) else {
            return;
        };
        if conn.is_open()
            && let Some(epoch) = &self.epoch
        {
            if conn.is_lost() {
                self.tally.reset += 1;
                conn.found(self.last);
                conn.send_piece(&Piece::reset(&Cursor {
                    epoch: Arc::clone(epoch),
                    seq: self.last,
                }));
            } else if (conn.at > self.last && !conn.known)
                || !self.topics.pick(&conn.members, conn.at, &mut self.picks)
            {
                self.ask(id);
                return;
            } else {
                let frames = self.picks.iter().map(|pick| self.topics.frame(*pick));
                let all = conn.send(frames.clone(), &mut self.scratch);
                self.tally.sent += sent(frames, all, conn.at);
                if all {
                    conn.at = conn.at.max(self.last);
                }
            }
        }
        if conn.is_dead() {
            self.dead.push(id);
        } else if conn.told && !self.polls.is_empty() {
            self.end_poll(id);
        }
    }

    /// Ends the answer of a connection that polls, with the place where the next
    /// one goes on. One whose socket is full ends when that has room.
    fn end_poll(&mut self, id: u32) {
        let Some(conn) = self.conns.get_mut(id as usize).filter(|conn| !conn.is_full()) else {
            return;
        };
        if let Some(retry) = self.polls.end(id) {
            let at = self.epoch.clone().map(|epoch| Cursor { epoch, seq: conn.at });
            conn.send_bytes(Piece::hello(retry, at.as_ref()).bytes(conn.framing()).to_vec().into());
            self.dead.push(id);
        }
    }

    /// Puts a connection among those that need the stream.
    fn ask(&mut self, id: u32) {
        self.tickets = self.tickets.wrapping_add(1);
        if let Some(conn) = self.conns.get_mut(id as usize).filter(|conn| conn.is_open()) {
            conn.wait(self.tickets);
            self.behind.push_back((id, self.tickets));
        }
    }

    /// The next thing to ask of the stream, while not too much is asked.
    pub(super) fn next_ask(&mut self) -> Option<Ask> {
        while self.replays < REPLAYS {
            let (id, ticket) = self.behind.pop_front()?;
            let conn = self.conns.get(id as usize).filter(|conn| conn.waits_for(ticket));
            if let Some((conn, epoch)) = conn.zip(self.epoch.clone()) {
                self.replays += 1;
                let topics = self.topics.names(&conn.members);
                return Some(Ask {
                    conn: id,
                    ticket,
                    epoch,
                    after: conn.at,
                    until: self.last,
                    topics,
                });
            }
        }
        None
    }

    /// Takes the answer to an [`Ask`].
    pub(super) fn answered(&mut self, id: u32, ticket: u32, answer: &Answer) {
        self.replays -= 1;
        let waiting = self.conns.get_mut(id as usize).filter(|conn| conn.waits_for(ticket));
        let Some((conn, epoch)) = waiting.zip(self.epoch.as_ref()) else {
            return;
        };
        conn.answered();
        match answer {
            Answer::Lost => conn.lose(),
            Answer::Events { events, until } => {
                conn.known = true;
                let frames: Vec<Frame> =
                    owed(events, conn.at).map(|event| Frame::encode(event, epoch)).collect();
                let all = conn.send(frames.iter(), &mut self.scratch);
                self.tally.stream += 1;
                self.tally.sent += sent(frames.iter(), all, conn.at);
                if all {
                    conn.at = conn.at.max(*until);
                }
            }
        }
        self.pump(id);
        self.sweep();
    }

    /// Gives a heartbeat to those whose turn it is: each once in
    /// [`HEARTBEAT`], spread over that time.
    pub(super) fn beat(&mut self, now: u64) {
        let (mut next, since) = self.beaten;
        let slots = self.conns.capacity() as u64;
        let turns = slots * now.saturating_sub(since).min(HEARTBEAT) / HEARTBEAT;
        if turns == 0 && slots > 0 {
            return;
        }
        let heartbeat = Piece::heartbeat();
        for _ in 0..turns {
            next = if next + 1 < self.conns.capacity() { next + 1 } else { 0 };
            self.beat_one(next, &heartbeat);
        }
        self.beaten = (next, now);
        self.sweep();
    }

    fn beat_one(&mut self, id: usize, heartbeat: &Piece) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let stalled = conn.has_stalled();
        self.tally.slow += u64::from(stalled);
        if !conn.is_full() {
            conn.send_piece(heartbeat);
        }
        if stalled || conn.is_dead() {
            self.close(id);
        }
    }

    /// Ends all connections, each with a pause of its own before it comes back.
    /// Who reads too slowly for that comes back with its cursor all the same.
    pub(super) fn stop(&mut self, mut pause: impl FnMut() -> u128) {
        for conn in self.ids() {
            self.send_away(conn, pause(), LAST_CHUNK);
        }
        for conn in self.ids() {
            self.close(conn as usize);
        }
    }

    /// Has a client come again, and say who it is. Its answer is cut off, since one with
    /// an end would have the client send its next request on a connection that is gone.
    fn ask_again(&mut self, id: u32) {
        self.send_away(id, ASKED_AGAIN + LATER_EACH * u128::from(id % LATEST), b"");
        self.close(id as usize);
    }

    /// Tells a client the pause before it comes back, and then `end`.
    fn send_away(&mut self, id: u32, pause: u128, end: &[u8]) {
        if let Some(conn) = self.conns.get_mut(id as usize).filter(|conn| !conn.is_full()) {
            let goodbye = Piece::hello(pause, None);
            let end = if conn.framing() == Framing::Chunked { end } else { b"" };
            let bytes = [goodbye.bytes(conn.framing()), end].concat();
            conn.send_bytes(bytes.into());
        }
    }

    fn ids(&self) -> Vec<u32> {
        let id = |(id, _)| u32::try_from(id).expect("sockets are counted by 32 bits");
        self.conns.iter().map(id).collect()
    }

    /// Connections, and topics in memory.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.conns.len(), self.topics.len())
    }

    /// What happened since it was asked last.
    pub(super) fn tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }
}

/// How many of the frames were sent to a client that is at `at` now.
fn sent<'a>(frames: impl ExactSizeIterator<Item = &'a Frame>, all: bool, at: u64) -> u64 {
    let count = if all { frames.len() } else { frames.filter(|frame| frame.seq <= at).count() };
    count as u64
}
