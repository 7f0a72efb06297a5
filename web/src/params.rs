//! The query parameters that a call takes.
//!
//! A call that overlooked a parameter would do something else than was asked: with
//! a slip of the pen in `queue`, all queues for one. So each call names those that
//! it takes, and any other is refused.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::error::Error;

/// The names of the parameters that a call takes.
pub type Params = &'static [&'static str];

/// Refuses a request with a parameter that its call does not take.
pub async fn only(State(takes): State<Params>, request: Request, next: Next) -> Response {
    match stray(request.uri().query().unwrap_or_default(), takes) {
        Some(name) => Error::bad_request(problem(&name, takes)).into_response(),
        None => next.run(request).await,
    }
}

fn stray(query: &str, takes: Params) -> Option<String> {
    let names = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    let mut stray = names.filter(|name| !takes.contains(&name.as_ref()));
    stray.next().map(|name| name.chars().take(100).collect())
}

fn problem(name: &str, takes: Params) -> String {
    match takes {
        [] => format!("there is no parameter {name:?} here: this call takes none"),
        _ => format!("there is no parameter {name:?} here: this call takes {}", takes.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_a_call_does_not_take_is_named_with_those_that_it_takes() {
        assert_eq!(stray("queue=a&state=dead", &["queue", "state"]), None);
        assert_eq!(stray("", &[]), None);
        let name = stray("state=dead&queu=words", &["queue", "state"]).unwrap();
        let told = problem(&name, &["queue", "state"]);
        assert_eq!(told, "there is no parameter \"queu\" here: this call takes queue, state");
        assert!(problem(&stray("x", &[]).unwrap(), &[]).ends_with("takes none"));
    }
}
