//! The shortest client of HTTP: posts on one connection, one after the other.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is kept.
pub struct Poster {
    stream: BufReader<TcpStream>,
}

impl Poster {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: SocketAddr) -> Result<Self, String> {
        Self::on(TcpStream::connect(address)).map_err(|error| format!("{address}: {error}"))
    }

    /// Connects from the address of a client.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect_as(client: usize, address: SocketAddr) -> Result<Self, String> {
        let stream = support::crowd::connection_of(client, address);
        Self::on(stream).map_err(|error| format!("{address}: {error}"))
    }

    fn on(stream: std::io::Result<TcpStream>) -> std::io::Result<Self> {
        let stream = stream?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Posts a text and hears the answer out.
    ///
    /// # Errors
    /// When it is not 2xx.
    pub fn post(&mut self, path: &str, kind: &str, body: &str) -> Result<(), String> {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: {kind}\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        let answer = self.send(&request).map_err(|error| format!("POST {path}: {error}"))?;
        if answer.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
            return Ok(());
        }
        Err(format!("POST {path}: {answer}"))
    }

    /// The line of the answer's status, and its body.
    fn send(&mut self, request: &str) -> std::io::Result<String> {
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(bytes) = line.strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(format!("{} {}", status.trim(), String::from_utf8_lossy(&body)))
    }
}
