//! The calls of the site's API that the sample content needs.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Answer, exchange};

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site's address is not one that this client can reach.
    #[error("the site's address {0} does not begin with http://")]
    Address(String),
    /// No answer.
    #[error("{call}: no answer from the site")]
    Reach {
        /// The call.
        call: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An answer that says no.
    #[error("{call}: {status} {detail}")]
    Refused {
        /// The call.
        call: String,
        /// The status code.
        status: u16,
        /// Title and detail of the problem document, or the body.
        detail: String,
    },
    /// An answer without what it should hold.
    #[error("{call}: the answer has no {what}")]
    Shape {
        /// The call.
        call: String,
        /// What is missing.
        what: &'static str,
    },
    /// The worker could not make variants of a picture.
    #[error("picture {name} was refused by the worker: {reason}")]
    Picture {
        /// The picture.
        name: String,
        /// What the worker said.
        reason: String,
    },
    /// A picture stays in the queue.
    #[error("picture {name} was not ready after {seconds} s: is the worker running?")]
    Slow {
        /// The picture.
        name: String,
        /// How long it was waited for.
        seconds: u64,
    },
}

/// A site, and the right to write to it.
pub struct Api {
    authority: String,
    bearer: String,
}

/// A comment to be written.
pub struct NewComment<'a> {
    /// Who writes.
    pub author: &'a str,
    /// Markdown.
    pub body: &'a str,
    /// The comment that it answers.
    pub parent: Option<&'a str>,
    /// The same key writes the same comment once.
    pub key: &'a str,
    /// Who sends it.
    pub from: Writer,
}

/// Who sends a comment.
pub enum Writer {
    /// The admin, whose comments wear a badge.
    Admin,
    /// A visitor at this address, as a proxy on this machine would tell it.
    Visitor(String),
}

const READY_WITHIN: Duration = Duration::from_secs(180);
const CHECKED_WITHIN: Duration = Duration::from_secs(30);
const POLL_EVERY: Duration = Duration::from_millis(50);
const BOUNDARY: &str = "hearth-seed-5f1d8c2b7a";

impl Api {
    /// Of the site at `url` (plain `http`), with a bearer token of the admin.
    ///
    /// # Errors
    /// When `url` is of another kind.
    pub fn new(url: &str, admin_token: &str) -> Result<Self, Error> {
        let authority = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let authority = authority.ok_or_else(|| Error::Address(url.to_owned()))?.to_owned();
        Ok(Self { authority, bearer: format!("Bearer {admin_token}") })
    }

    /// Whether a post of this slug exists, draft or not.
    ///
    /// # Errors
    /// As every call.
    pub fn has_post(&self, slug: &str) -> Result<bool, Error> {
        let call = format!("GET /api/v1/posts/{slug}");
        let answer = self.send(&call, &[], &[])?;
        match answer.status {
            404 => Ok(false),
            _ => accept(&call, answer).map(|_| true),
        }
    }

    /// Writes a post; false when it was there before.
    ///
    /// # Errors
    /// As every call.
    pub fn create_post(&self, post: &Value) -> Result<bool, Error> {
        let call = "POST /api/v1/posts";
        let answer = self.send_json(call, &[], post)?;
        match answer.status {
            409 => Ok(false),
            _ => accept(call, answer).map(|_| true),
        }
    }

    /// Uploads a JPEG and gives the id of the image.
    ///
    /// # Errors
    /// As every call.
    pub fn upload(&self, name: &str, alt: &str, file: &[u8]) -> Result<String, Error> {
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"alt\"\r\n\r\n{alt}\r\n\
             --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; \
             filename=\"{name}.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let call = "POST /api/v1/images";
        let answer = accept(call, self.send(call, &[("Content-Type", &kind)], &body)?)?;
        text(call, &answer, "id")
    }

    /// Whether an image of this id is ready or on its way.
    ///
    /// # Errors
    /// As every call.
    pub fn has_image(&self, id: &str) -> Result<bool, Error> {
        let call = format!("GET /api/v1/images/{id}");
        let answer = self.send(&call, &[], &[])?;
        match answer.status {
            404 => Ok(false),
            _ => Ok(accept(&call, answer)?["status"] != "failed"),
        }
    }

    /// Waits until the variants of an image are made.
    ///
    /// # Errors
    /// When the worker refuses it or is not done within three minutes.
    pub fn wait_ready(&self, name: &str, id: &str) -> Result<(), Error> {
        let call = format!("GET /api/v1/images/{id}");
        let start = Instant::now();
        while start.elapsed() < READY_WITHIN {
            let image = accept(&call, self.send(&call, &[], &[])?)?;
            match text(&call, &image, "status")?.as_str() {
                "ready" => return Ok(()),
                "failed" => {
                    let reason = image["error"].as_str().unwrap_or("no reason given").to_owned();
                    return Err(Error::Picture { name: name.to_owned(), reason });
                }
                _ => sleep(POLL_EVERY),
            }
        }
        Err(Error::Slow { name: name.to_owned(), seconds: READY_WITHIN.as_secs() })
    }

    /// All comments of a post.
    ///
    /// # Errors
    /// As every call.
    pub fn comments(&self, slug: &str) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        let mut query = String::new();
        loop {
            let call = format!("GET /api/v1/posts/{slug}/comments{query}");
            let mut page = accept(&call, self.send(&call, &[], &[])?)?;
            let Some(items) = page["items"].as_array_mut() else {
                return Err(Error::Shape { call, what: "items" });
            };
            all.append(items);
            match page["next"].as_str() {
                Some(next) => query = format!("?after={next}"),
                None => return Ok(all),
            }
        }
    }

    /// Writes a comment, approves it once it was checked, and gives its id.
    ///
    /// # Errors
    /// As every call.
    pub fn comment(&self, slug: &str, comment: &NewComment<'_>) -> Result<String, Error> {
        let call = format!("POST /api/v1/posts/{slug}/comments");
        let mut body = json!({ "author": comment.author, "body": comment.body });
        if let Some(parent) = comment.parent {
            body["parent"] = parent.into();
        }
        let who = match &comment.from {
            Writer::Admin => ("Authorization", self.bearer.as_str()),
            Writer::Visitor(address) => ("X-Forwarded-For", address.as_str()),
        };
        let headers = [who, ("Content-Type", "application/json"), ("Idempotency-Key", comment.key)];
        let answer = self.exchange(&call, &headers, body.to_string().as_bytes())?;
        let id = text(&call, &accept(&call, answer)?, "id")?;
        self.approve(&id)?;
        Ok(id)
    }

    /// Approves a comment; while the worker still checks it, that is refused.
    fn approve(&self, id: &str) -> Result<(), Error> {
        let call = format!("POST /api/v1/comments/{id}/approve");
        let start = Instant::now();
        loop {
            let answer = self.send(&call, &[], &[])?;
            if answer.status != 409 || start.elapsed() > CHECKED_WITHIN {
                return accept(&call, answer).map(|_| ());
            }
            sleep(POLL_EVERY);
        }
    }

    fn send_json(&self, call: &str, more: &[(&str, &str)], body: &Value) -> Result<Answer, Error> {
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend_from_slice(more);
        self.send(call, &headers, body.to_string().as_bytes())
    }

    fn send(&self, call: &str, more: &[(&str, &str)], body: &[u8]) -> Result<Answer, Error> {
        let mut headers = vec![("Authorization", self.bearer.as_str())];
        headers.extend_from_slice(more);
        self.exchange(call, &headers, body)
    }

    fn exchange(&self, call: &str, more: &[(&str, &str)], body: &[u8]) -> Result<Answer, Error> {
        let mut headers = vec![("Accept", "application/json"), ("User-Agent", "hearth-seed")];
        headers.extend_from_slice(more);
        exchange(&self.authority, call, &headers, body)
            .map_err(|source| Error::Reach { call: call.to_owned(), source })
    }
}

/// The JSON of a good answer.
fn accept(call: &str, answer: Answer) -> Result<Value, Error> {
    let body = serde_json::from_slice::<Value>(&answer.body);
    if (200..300).contains(&answer.status) {
        return body.map_err(|_| Error::Shape { call: call.to_owned(), what: "JSON" });
    }
    let said = |name: &str| body.as_ref().ok().and_then(|body| body[name].as_str());
    let detail = match (said("title"), said("detail")) {
        (Some(title), Some(detail)) => format!("{title}: {detail}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::from_utf8_lossy(&answer.body).chars().take(300).collect(),
    };
    Err(Error::Refused { call: call.to_owned(), status: answer.status, detail })
}

fn text(call: &str, body: &Value, what: &'static str) -> Result<String, Error> {
    let found = body[what].as_str().map(str::to_owned);
    found.ok_or_else(|| Error::Shape { call: call.to_owned(), what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_status_title_and_detail() {
        let body = br#"{"type":"about:blank","title":"Bad slug","detail":"it has a space"}"#;
        let error = accept("POST /x", Answer { status: 422, body: body.to_vec() }).unwrap_err();
        assert_eq!(error.to_string(), "POST /x: 422 Bad slug: it has a space");

        let plain = accept("POST /x", Answer { status: 502, body: b"down".to_vec() });
        assert_eq!(plain.unwrap_err().to_string(), "POST /x: 502 down");
    }

    #[test]
    fn only_a_plain_http_address_is_taken() {
        assert_eq!(Api::new("http://127.0.0.1:8080/", "t").unwrap().authority, "127.0.0.1:8080");
        assert!(matches!(Api::new("https://a.example", "t"), Err(Error::Address(_))));
    }
}
