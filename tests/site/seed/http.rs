//! One request, one answer: enough HTTP to talk to a site on this machine.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Sends a request over a connection of its own and reads the whole answer.
///
/// Speaks HTTP/1.0, so that the answer ends where the connection does. An
/// answer that comes before the body is all sent (a refusal) is read too.
///
/// # Errors
/// When the server cannot be reached, stays silent for a minute, or does not
/// speak HTTP.
pub fn exchange(
    authority: &str,
    request_line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let address = authority.to_socket_addrs()?.next().ok_or_else(|| invalid("no such address"))?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = format!("{request_line} HTTP/1.0\r\nHost: {authority}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    match parse(&bytes) {
        Some(answer) => Ok(answer),
        None => Err(sent.err().or(read.err()).unwrap_or_else(|| invalid("the answer is no HTTP"))),
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: bytes[end + 4..].to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_split_into_status_and_body() {
        let answer = parse(b"HTTP/1.1 409 Conflict\r\nA: b\r\n\r\n{\"a\":1}").unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (409, b"{\"a\":1}".as_slice()));
        assert!(parse(b"INFO {}").is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\ncut").is_none());
    }
}
