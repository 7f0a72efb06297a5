//! The head of an answer without an end, as bytes.

use axum::http::response::Parts;
use axum::http::{HeaderName, header};
use bytes::Bytes;

use crate::hub::Framing;

/// Headers that say how the answer is sent, which is decided here.
const OWN: [HeaderName; 4] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::DATE, header::TRANSFER_ENCODING];

/// The status line and all headers that the layers gave.
pub(super) fn encode(parts: &Parts, framing: Framing) -> Bytes {
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    for (name, value) in parts.headers.iter().filter(|(name, _)| !OWN.contains(name)) {
        line(&mut head, name.as_str(), value.as_bytes());
    }
    line(&mut head, "date", date().as_bytes());
    match framing {
        Framing::Chunked => line(&mut head, "transfer-encoding", b"chunked"),
        Framing::Plain => line(&mut head, "connection", b"close"),
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

fn line(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
    }
}

fn date() -> String {
    jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use axum::http::Response;

    use super::*;

    fn parts() -> Parts {
        let answer = Response::builder().header("content-type", "text/event-stream");
        let answer = answer.header("set-cookie", "a=1").header("set-cookie", "b=2");
        answer.header("content-length", "0").body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_head_has_all_headers_of_the_answer_and_says_how_it_is_sent() {
        let head = String::from_utf8(encode(&parts(), Framing::Chunked).to_vec()).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"));
        assert!(head.contains("set-cookie: a=1\r\nset-cookie: b=2\r\n"));
        assert!(head.ends_with(" GMT\r\ntransfer-encoding: chunked\r\n\r\n"));
        assert!(!head.contains("content-length"));
    }

    #[test]
    fn an_old_client_is_told_that_the_end_of_the_connection_is_the_end() {
        let head = String::from_utf8(encode(&parts(), Framing::Plain).to_vec()).unwrap();
        assert!(head.ends_with("\r\nconnection: close\r\n\r\n"));
    }
}
