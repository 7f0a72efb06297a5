//! An answer of HTTP/1.1 that is a stream of events, read piece by piece.

/// One event, or the part of one that a server sends first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Block<'a> {
    pub id: Option<&'a str>,
    pub topic: Option<&'a str>,
    pub data: Option<&'a str>,
    /// In milliseconds.
    pub retry: Option<u64>,
}

impl<'a> Block<'a> {
    fn parse(text: &'a [u8]) -> Self {
        let mut block = Self::default();
        let text = std::str::from_utf8(text).unwrap_or_default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "id" => block.id = Some(value),
                "event" => block.topic = Some(value),
                "data" => block.data = Some(value),
                "retry" => block.retry = value.parse().ok(),
                _ => {}
            }
        }
        block
    }
}

/// How far an answer was read.
#[derive(Debug, Default)]
pub struct Decoder {
    stage: Stage,
    /// The begin of a head or of the size of a chunk.
    line: Vec<u8>,
    /// The begin of an event.
    event: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Head,
    /// Up to the connection's end.
    Plain,
    Size,
    Chunk(usize),
    Over,
}

impl Decoder {
    /// Whether the head was read.
    pub fn has_begun(&self) -> bool {
        self.stage != Stage::Head
    }

    /// Takes bytes and hands on each event that they end.
    ///
    /// # Errors
    /// The head, when the answer is not 200; a chunk without a size.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        heard: &mut impl FnMut(Block<'_>),
    ) -> Result<(), String> {
        while !bytes.is_empty() {
            bytes = match self.stage {
                Stage::Head => self.head(bytes)?,
                Stage::Size => self.size(bytes)?,
                Stage::Plain => {
                    self.body(bytes, heard);
                    &[]
                }
                Stage::Chunk(left) => {
                    let (now, later) = bytes.split_at(left.min(bytes.len()));
                    self.body(now, heard);
                    let left = left - now.len();
                    self.stage = if left == 0 { Stage::Size } else { Stage::Chunk(left) };
                    later
                }
                Stage::Over => &[],
            };
        }
        Ok(())
    }

    fn head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let before = self.line.len();
        self.line.extend_from_slice(bytes);
        let Some(end) = position(&self.line, b"\r\n\r\n") else {
            return Ok(&[]);
        };
        let head = String::from_utf8_lossy(&self.line[..end]).to_lowercase();
        if head.split(' ').nth(1) != Some("200") {
            return Err(format!("it answered {head}"));
        }
        let chunked = head.contains("\r\ntransfer-encoding: chunked");
        self.stage = if chunked { Stage::Size } else { Stage::Plain };
        self.line = Vec::new();
        Ok(&bytes[end + 4 - before..])
    }

    /// The line between two chunks; the one that ends a chunk is empty.
    fn size<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.line.extend_from_slice(bytes);
            return Ok(&[]);
        };
        self.line.extend_from_slice(&bytes[..end]);
        let line = String::from_utf8_lossy(&self.line);
        let digits = line.split(';').next().unwrap_or_default().trim();
        if !digits.is_empty() {
            let size = usize::from_str_radix(digits, 16);
            self.stage = match size.map_err(|_| format!("{digits:?} is no size of a chunk"))? {
                0 => Stage::Over,
                size => Stage::Chunk(size),
            };
        }
        self.line.clear();
        Ok(&bytes[end + 1..])
    }

    fn body(&mut self, bytes: &[u8], heard: &mut impl FnMut(Block<'_>)) {
        if self.event.is_empty() {
            let rest = whole(bytes, heard);
            self.event.extend_from_slice(rest);
        } else {
            self.event.extend_from_slice(bytes);
            let left = whole(&self.event, heard).len();
            self.event.drain(..self.event.len() - left);
        }
        if self.event.is_empty() && self.event.capacity() > 0 {
            self.event = Vec::new();
        }
    }
}

/// Hands on the events that are whole, and gives what is left.
fn whole<'a>(mut bytes: &'a [u8], heard: &mut impl FnMut(Block<'_>)) -> &'a [u8] {
    while let Some(end) = position(bytes, b"\n\n") {
        heard(Block::parse(&bytes[..end]));
        bytes = &bytes[end + 2..];
    }
    bytes
}

fn position(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                          d\r\nretry: 1000\n\n\r\n\
                          8\r\nid: ab-7\r\n15;x=y\r\n\nevent: a\ndata: \xe2\x82\xac\n\n\r\n\
                          0\r\n\r\n";

    #[track_caller]
    fn heard(piece: usize) -> Vec<String> {
        let (mut decoder, mut heard) = (Decoder::default(), Vec::new());
        for part in ANSWER.chunks(piece) {
            decoder.feed(part, &mut |block| heard.push(format!("{block:?}"))).unwrap();
        }
        assert_eq!(decoder.stage, Stage::Over);
        heard
    }

    #[test]
    fn however_an_answer_is_cut_it_is_the_same_events() {
        let all = heard(usize::MAX);
        assert_eq!(all.len(), 2);
        assert!(all[0].contains("retry: Some(1000)"), "{all:?}");
        let words = ["id: Some(\"ab-7\")", "topic: Some(\"a\")", "data: Some(\"€\")"];
        assert!(words.iter().all(|word| all[1].contains(word)), "{all:?}");
        for piece in 1..20 {
            assert_eq!(heard(piece), all, "in pieces of {piece}");
        }
    }

    #[test]
    fn another_status_is_an_error() {
        let answer = b"HTTP/1.1 400 Bad Request\r\n\r\nno";
        assert!(Decoder::default().feed(answer, &mut |_| {}).is_err());
    }
}
