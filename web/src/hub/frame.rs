//! An event as it goes to every client: encoded once, shared by all.

use bytes::Bytes;
use shared::bus::replay::Stored;

use super::Cursor;

/// How an answer without an end is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// HTTP/1.1: in chunks.
    Chunked,
    /// HTTP/1.0: as it is, up to the connection's end.
    Plain,
}

/// What ends the body of an answer in chunks.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A part of the stream, as the chunk that it is to most clients.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    chunk: Bytes,
    /// The length of the chunk's own line.
    line: u8,
}

impl Piece {
    pub(super) fn new(parts: &[&[u8]]) -> Self {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let line = format!("{length:x}\r\n");
        let mut chunk = Vec::with_capacity(line.len() + length + 2);
        chunk.extend_from_slice(line.as_bytes());
        parts.iter().for_each(|part| chunk.extend_from_slice(part));
        chunk.extend_from_slice(b"\r\n");
        let line = u8::try_from(line.len()).expect("a length in hexadecimal is short");
        Self { chunk: chunk.into(), line }
    }

    /// A comment line: the connection is alive.
    pub(super) fn heartbeat() -> Self {
        Self::new(&[b":\n\n"])
    }

    /// The pause for reconnects, and the place that a client stands at, so
    /// that it can resume even before its first event.
    pub(super) fn hello(retry: u128, at: Option<&Cursor>) -> Self {
        Self::new(&[opening(retry, at).as_bytes(), b"\n"])
    }

    /// The same as an event, which a script sees.
    pub(super) fn greeting(retry: u128, at: Option<&Cursor>) -> Self {
        let place = at.map(ToString::to_string).unwrap_or_default();
        let event = format!("event: hello\ndata: {{\"cursor\":\"{place}\"}}\n\n");
        Self::new(&[opening(retry, at).as_bytes(), event.as_bytes()])
    }

    /// Says that what the client shows may be old: it is to load its data
    /// again, and goes on from `at`.
    pub(super) fn reset(at: &Cursor) -> Self {
        let text = format!("id: {at}\nevent: reset\ndata: {{\"cursor\":\"{at}\"}}\n\n");
        Self::new(&[text.as_bytes()])
    }

    /// The bytes for a client.
    pub(super) fn bytes(&self, framing: Framing) -> &[u8] {
        match framing {
            Framing::Chunked => &self.chunk,
            Framing::Plain => &self.chunk[usize::from(self.line)..self.chunk.len() - 2],
        }
    }

    /// What is left for a client that took `taken` bytes.
    pub(super) fn rest(&self, framing: Framing, taken: usize) -> Bytes {
        self.chunk.slice_ref(&self.bytes(framing)[taken..])
    }
}

fn opening(retry: u128, at: Option<&Cursor>) -> String {
    let place = at.map(|at| format!("id: {at}\n")).unwrap_or_default();
    format!("retry: {retry}\n{place}")
}

/// An event with its place in the stream.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) seq: u64,
    pub(super) piece: Piece,
}

impl Frame {
    /// Encodes an event. A line's end in JSON is only space between its parts,
    /// and would end the data here.
    pub(super) fn encode(event: &Stored, epoch: &str) -> Self {
        let Stored { seq, topic, body } = event;
        let head = format!("id: {epoch}-{seq}\nevent: {topic}\ndata: ");
        let has_lines = body.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        let piece = if has_lines {
            Piece::new(&[head.as_bytes(), &one_line(body), b"\n\n"])
        } else {
            Piece::new(&[head.as_bytes(), body, b"\n\n"])
        };
        Self { seq: *seq, piece }
    }
}

fn one_line(body: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    body.iter().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(body: &'static [u8]) -> Stored {
        Stored { seq: 7, topic: "comments.a".parse().unwrap(), body: Bytes::from_static(body) }
    }

    #[track_caller]
    fn check(body: &'static [u8], expect: &str) {
        let piece = Frame::encode(&event(body), "ab").piece;
        assert_eq!(piece.bytes(Framing::Plain), expect.as_bytes());
    }

    #[test]
    fn an_event_is_encoded_with_its_cursor_and_topic() {
        check(b"{}", "id: ab-7\nevent: comments.a\ndata: {}\n\n");
    }

    #[test]
    fn an_event_of_many_lines_is_one_line_of_data() {
        check(b"{\r\n  \"a\": 1\n}\n", "id: ab-7\nevent: comments.a\ndata: {    \"a\": 1 } \n\n");
    }

    #[test]
    fn a_piece_is_a_chunk_and_its_rest_is_what_was_not_taken() {
        let piece = Piece::heartbeat();
        assert_eq!(piece.bytes(Framing::Chunked), b"3\r\n:\n\n\r\n");
        assert_eq!(&piece.rest(Framing::Chunked, 4)[..], b"\n\n\r\n");
        assert_eq!(&piece.rest(Framing::Plain, 1)[..], b"\n\n");
    }
}
