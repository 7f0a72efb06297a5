//! A client of the model: it reads what its socket took, and minds what it sees.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Write};
use std::rc::Rc;

use shared::bus::replay::Stored;
use shared::subject::Topic;

use super::{LOGS, Life, TOPICS};
use crate::hub::Cursor;
use crate::hub::frame::Framing;

/// What a socket took, and how much more it takes.
#[derive(Default)]
pub(super) struct Pipe {
    pub(super) taken: Vec<u8>,
    pub(super) room: usize,
    pub(super) broken: bool,
}

pub(super) struct Sink(pub(super) Rc<RefCell<Pipe>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        if pipe.broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(pipe.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        pipe.room -= count;
        pipe.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct Client {
    pub(super) topics: Vec<Topic>,
    pub(super) framing: Framing,
    /// Its newest id.
    pub(super) at: Option<Cursor>,
    /// Where what it must have begins.
    pub(super) begin: u64,
    /// The newest value that it has of each counter.
    pub(super) counters: Vec<(Topic, u64)>,
    pub(super) pipe: Rc<RefCell<Pipe>>,
    pub(super) conn: usize,
}

fn is_log(topic: &Topic) -> bool {
    TOPICS[..LOGS].contains(&topic.as_str())
}

impl Client {
    /// Takes in what its socket took.
    pub(super) fn look(&mut self, lives: &[Life]) {
        let taken = std::mem::take(&mut self.pipe.borrow_mut().taken);
        let mut left = &taken[..];
        while let Some((block, rest)) = self.block(left) {
            self.hear(std::str::from_utf8(block).unwrap(), lives);
            left = rest;
        }
        self.pipe.borrow_mut().taken.splice(0..0, left.iter().copied());
    }

    /// The first whole block, and what follows it.
    fn block<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let end = |bytes: &[u8], mark: &[u8]| bytes.windows(mark.len()).position(|w| w == mark);
        match self.framing {
            Framing::Plain => bytes.split_at_checked(end(bytes, b"\n\n")? + 2),
            Framing::Chunked => {
                let line = end(bytes, b"\r\n")?;
                let length = std::str::from_utf8(&bytes[..line]).unwrap();
                let length = usize::from_str_radix(length, 16).expect("a chunk's length");
                let (chunk, rest) = bytes.split_at_checked(line + 2 + length + 2)?;
                assert!(chunk.ends_with(b"\n\n\r\n"), "a chunk is one block");
                Some((&chunk[line + 2..line + 2 + length], rest))
            }
        }
    }

    fn hear(&mut self, block: &str, lives: &[Life]) {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let id: Option<Cursor> = field("id: ").map(|id| id.parse().expect("a cursor"));
        match (field("event: "), id) {
            (Some("reset"), Some(id)) => {
                self.begin = id.seq;
                self.counters.clear();
                self.at = Some(id);
            }
            (Some(topic), Some(id)) => self.event(&topic.parse().unwrap(), id, lives),
            // A greeting says where it begins: where it was, if it was here.
            (None, Some(id)) if self.at.is_none() => {
                self.begin = id.seq;
                self.at = Some(id);
            }
            (None, Some(id)) => assert_eq!(self.at, Some(id)),
            (_, None) => {}
        }
    }

    fn event(&mut self, topic: &Topic, id: Cursor, lives: &[Life]) {
        let at = self.at.as_ref().expect("a place before the first event");
        assert_eq!(at.epoch, id.epoch, "another life begins with a reset");
        assert!(id.seq > at.seq, "{id} came after {at}");
        assert!(self.topics.contains(topic));
        let life = &lives[usize::from_str_radix(&id.epoch, 16).unwrap()];
        assert_eq!(life.events[id.seq as usize - 1].topic, *topic);
        self.misses_no_comment(life, at.seq, id.seq - 1);
        if !is_log(topic) {
            self.counters.retain(|(of, _)| of != topic);
            self.counters.push((topic.clone(), id.seq));
        }
        self.at = Some(id);
    }

    fn misses_no_comment(&self, life: &Life, after: u64, until: u64) {
        let owed = |event: &&Stored| is_log(&event.topic) && self.topics.contains(&event.topic);
        let mut between = life.events[after as usize..until.max(after) as usize].iter();
        if let Some(missed) = between.find(owed) {
            panic!("{} of {} was left out", missed.seq, missed.topic);
        }
    }

    /// Looks whether it has what it must at the end.
    pub(super) fn has_all(&self, life: &Life, epoch: &str) {
        let at = self.at.as_ref().expect("a place");
        assert_eq!(&*at.epoch, epoch, "it is in the newest life");
        let last = life.events.len() as u64;
        assert!(at.seq <= last, "its place is none");
        self.misses_no_comment(life, at.seq, last);
        for topic in self.topics.iter().filter(|topic| !is_log(topic)) {
            let newest = life.events.iter().rev().find(|event| event.topic == *topic);
            let newest = newest.map_or(0, |event| event.seq);
            let has = self.counters.iter().find(|(of, _)| of == topic).map_or(0, |(_, seq)| *seq);
            assert!(newest <= self.begin || has == newest, "{topic}: has {has}, not {newest}");
        }
    }
}
