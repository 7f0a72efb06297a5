//! The smallest HTTP client that can ask a server on this machine whether it is ready.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a server answered.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

/// Sends one request without a body over a connection of its own.
///
/// Speaks HTTP/1.0, so that the body ends where the connection does.
///
/// # Errors
/// When the server cannot be reached, does not answer within `timeout` between
/// two reads, or does not speak HTTP.
pub fn send(
    method: &str,
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    timeout: Duration,
) -> io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes))
}

/// As [`send`], for a `GET` without headers.
///
/// # Errors
/// As [`send`].
pub fn get(address: SocketAddr, path: &str) -> io::Result<Reply> {
    send("GET", address, path, &[], Duration::from_secs(2))
}

fn parse(text: &str) -> io::Result<Reply> {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.filter(|_| head.starts_with("HTTP/1."));
    let status = status.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "the answer does not begin as HTTP does")
    })?;
    Ok(Reply { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_status_and_body() {
        let reply = parse("HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\nnats: down").unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (503, "nats: down"));
    }

    #[test]
    fn what_is_not_http_is_refused() {
        assert!(parse("INFO {\"server_id\": 200 }").is_err());
        assert!(parse("").is_err());
    }
}
