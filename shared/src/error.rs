//! Errors in words.

use std::error::Error;

/// An error and its causes in one line, for a row, a log or a terminal; a
/// cause that its error names already is not said twice.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let part = cause.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failure {
        text: &'static str,
        source: Option<Box<Failure>>,
    }

    fn failure(text: &'static str, source: Option<Failure>) -> Failure {
        Failure { text, source: source.map(Box::new) }
    }

    #[test]
    fn every_cause_is_told_once() {
        let disk = failure("the disk is full", None);
        let write = failure("cannot write: the disk is full", Some(disk));
        let error = failure("the comment was not kept", Some(write));
        assert_eq!(chain(&error), "the comment was not kept: cannot write: the disk is full");
    }
}
