//! One connection: its place, and what its socket has not taken yet.

use std::io::{ErrorKind, Write};

use bytes::Bytes;

use super::frame::{Frame, Framing, Piece};
use super::topics::Member;

/// Bytes that are joined for one write.
const BATCH: usize = 64 * 1024;

/// What a connection can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Its socket takes more.
    Open,
    /// Its socket is full: it goes on from its place when there is room.
    Full,
    /// It waits for the answer with this number.
    Waiting(u32),
    /// Its socket failed.
    Dead,
}

/// A connection that watches.
pub(super) struct Conn<S> {
    /// Where its bytes go.
    pub(super) sink: S,
    /// Its place in the stream: the newest event that it has, or none before.
    pub(super) at: u64,
    pub(super) members: Box<[Member]>,
    /// The end of what the socket has taken half, while it is full.
    rest: Option<Box<Bytes>>,
    flow: Flow,
    framing: Framing,
    /// Its place means nothing any more: it is owed a reset.
    lost: bool,
    /// The stream knows its place, though this process may not have come
    /// there yet.
    pub(super) known: bool,
    /// It was sent events or a reset, or its time is over: if it polls, its
    /// answer may end.
    pub(super) told: bool,
    /// The socket took nothing since it was looked at last.
    stalled: bool,
}

impl<S: Write> Conn<S> {
    pub(super) fn new(sink: S, framing: Framing, at: u64, members: Box<[Member]>) -> Self {
        let (flow, rest) = (Flow::Open, None);
        let (lost, known, told, stalled) = (false, false, false, false);
        Self { sink, at, members, rest, flow, framing, lost, known, told, stalled }
    }

    pub(super) fn is_open(&self) -> bool {
        self.flow == Flow::Open
    }

    pub(super) fn is_full(&self) -> bool {
        self.flow == Flow::Full
    }

    pub(super) fn is_dead(&self) -> bool {
        self.flow == Flow::Dead
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    pub(super) fn waits_for(&self, ticket: u32) -> bool {
        self.flow == Flow::Waiting(ticket)
    }

    pub(super) fn framing(&self) -> Framing {
        self.framing
    }

    /// Its place means nothing any more; what it waits for neither.
    pub(super) fn lose(&mut self) {
        self.lost = true;
        self.answered();
    }

    /// It was told where it is.
    pub(super) fn found(&mut self, at: u64) {
        (self.lost, self.told, self.at) = (false, true, at);
    }

    pub(super) fn wait(&mut self, ticket: u32) {
        self.flow = Flow::Waiting(ticket);
    }

    pub(super) fn answered(&mut self) {
        if matches!(self.flow, Flow::Waiting(_)) {
            self.flow = Flow::Open;
        }
    }

    /// The socket has room again: sends what was cut off.
    pub(super) fn resume(&mut self) {
        self.flow = Flow::Open;
        if let Some(rest) = self.rest.take() {
            let taken = self.offer(&rest);
            self.keep(rest.slice(taken..));
        }
    }

    /// Whether the socket took nothing between two calls while it was full.
    pub(super) fn has_stalled(&mut self) -> bool {
        let full = self.is_full();
        std::mem::replace(&mut self.stalled, full) && full
    }

    /// Sends bytes that are of no event; what the socket does not take of them
    /// is kept.
    pub(super) fn send_bytes(&mut self, bytes: Bytes) {
        let taken = self.offer(&bytes);
        self.keep(bytes.slice(taken..));
    }

    pub(super) fn send_piece(&mut self, piece: &Piece) {
        let taken = self.offer(piece.bytes(self.framing));
        self.keep(piece.rest(self.framing, taken));
    }

    /// Sends frames in order, and moves on with each; false when the socket
    /// did not take all of them. A frame that was not begun is not kept: the
    /// ring has it, or the stream.
    pub(super) fn send<'a>(
        &mut self,
        mut frames: impl Iterator<Item = &'a Frame> + Clone,
        scratch: &mut Vec<u8>,
    ) -> bool {
        loop {
            let batch = frames.clone();
            let mut count = 0;
            scratch.clear();
            while scratch.len() < BATCH
                && let Some(frame) = frames.next()
            {
                scratch.extend_from_slice(frame.piece.bytes(self.framing));
                count += 1;
            }
            if count == 0 {
                return true;
            }
            self.told = true;
            let taken = self.offer(scratch);
            if !self.account(batch.take(count), taken) {
                return false;
            }
        }
    }

    /// Moves on by the frames that are in the `taken` bytes.
    fn account<'a>(&mut self, batch: impl Iterator<Item = &'a Frame>, mut taken: usize) -> bool {
        for frame in batch {
            let length = frame.piece.bytes(self.framing).len();
            if taken == 0 {
                return false;
            }
            self.at = frame.seq;
            if taken < length {
                self.keep(frame.piece.rest(self.framing, taken));
                return false;
            }
            taken -= length;
        }
        true
    }

    fn keep(&mut self, rest: Bytes) {
        if !rest.is_empty() && !self.is_dead() {
            self.rest = Some(Box::new(rest));
        }
    }

    /// Writes as much as the socket takes; says how much that was.
    fn offer(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.sink.write(&bytes[taken..]) {
                Ok(0) => self.flow = Flow::Dead,
                Ok(some) => {
                    taken += some;
                    self.stalled = false;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.flow = Flow::Full,
                Err(_) => self.flow = Flow::Dead,
            }
            break;
        }
        taken
    }
}
