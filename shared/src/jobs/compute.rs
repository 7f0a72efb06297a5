//! How a compute job ends, and what a worker without a database asks the data
//! worker to keep.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Job;
use crate::envelope::Envelope;
use crate::queues::Pause;

/// How an attempt at a compute job ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ComputeOutcome<T> {
    /// It made this.
    Made(T),
    /// Never worth another: the input is at fault.
    Refused(String),
    /// It took its worker away, again and again.
    Lost(String),
    /// Nothing was done and nothing went wrong: it comes again after this pause,
    /// and no attempt is counted.
    Snoozed(Pause),
    /// The admin cancelled it while it ran.
    Cancelled,
    /// Worth another attempt: the store was away.
    #[serde(untagged)]
    Failed {
        /// Why.
        failed: String,
        /// The pause before the next one; the queue's when there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<Pause>,
    },
}

impl<T> ComputeOutcome<T> {
    /// Worth another attempt, after the queue's pause.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed { failed: why.into(), retry_after: None }
    }
}

/// What an outcome is, in the words of a mistake.
const OUTCOMES: &str = "an outcome is {\"made\": value}, {\"failed\": \"why\"} (if wanted with \
                        \"retry_after\": \"30s\"), {\"snoozed\": \"30s\"}, {\"refused\": \"why\"}, \
                        {\"lost\": \"why\"} or \"cancelled\"";

/// Read by hand: programs of others write it, and are told what would be right.
impl<'de, T: DeserializeOwned> Deserialize<'de> for ComputeOutcome<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let got = Value::deserialize(deserializer)?;
        let mistake = |why: String| D::Error::custom(format!("{OUTCOMES}; {why}"));
        outcome(&got).unwrap_or_else(|| Err(format!("got {}", cut(&got)))).map_err(mistake)
    }
}

/// `None` when it is none of them.
fn outcome<T: DeserializeOwned>(got: &Value) -> Option<Result<ComputeOutcome<T>, String>> {
    if got == "cancelled" {
        return Some(Ok(ComputeOutcome::Cancelled));
    }
    let fields: Vec<(&str, &Value)> =
        got.as_object()?.iter().map(|(name, value)| (name.as_str(), value)).collect();
    Some(match fields[..] {
        [("made", value)] => read(value).map(ComputeOutcome::Made),
        [("refused", why)] => read(why).map(ComputeOutcome::Refused),
        [("lost", why)] => read(why).map(ComputeOutcome::Lost),
        [("snoozed", pause)] => read(pause).map(ComputeOutcome::Snoozed),
        [("failed", why)] => read::<String>(why).map(ComputeOutcome::failed),
        [("failed", why), ("retry_after", pause)] => read(why).and_then(|failed| {
            Ok(ComputeOutcome::Failed { failed, retry_after: Some(read(pause)?) })
        }),
        _ => return None,
    })
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}

/// So much of it as tells what it is.
fn cut(got: &Value) -> String {
    got.to_string().chars().take(80).collect()
}

/// Keep a message that a worker without a database could not read as a dead job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeepPoison {
    /// Names the message: its stream, sequence and time.
    pub message: String,
    /// The queue that it came from.
    pub queue: String,
    /// The kind that its subject names.
    pub kind: String,
    /// Its bytes, in base64.
    pub body: String,
    /// Why it could not be read.
    pub reason: String,
}

impl Job for KeepPoison {
    const QUEUE: &'static str = "results";
    const KIND: &'static str = "poison";
}

/// What came of a job that a program which is not ours has worked on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ComputeResult {
    /// The queue that the job came from.
    pub queue: String,
    /// The job, as it came: a retry sends it again.
    pub job: Envelope,
    /// What it made, or why it could not.
    pub outcome: ComputeOutcome<Value>,
}

impl Job for ComputeResult {
    const QUEUE: &'static str = "results";
    const KIND: &'static str = "compute";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_is_read_as_it_is_written_and_no_other() {
        for text in [
            r#"{"made":{"words":3}}"#,
            r#"{"made":null}"#,
            r#"{"failed":"it rained"}"#,
            r#"{"failed":"it rained","retry_after":"30s"}"#,
            r#"{"snoozed":"1m 30s"}"#,
            r#"{"refused":"no text"}"#,
            r#"{"lost":"its worker went away"}"#,
            r#""cancelled""#,
        ] {
            let read: ComputeOutcome<Value> = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }

    #[test]
    fn a_mistake_in_an_outcome_is_told_with_what_would_be_right() {
        for (text, part) in [
            (r#"{"done":1}"#, r#"got {"done":1}"#),
            (r#""made""#, r#"got "made""#),
            (r#"{"made":1,"failed":"x"}"#, "got {"),
            (r#"{"failed":7}"#, "expected a string"),
            (r#"{"snoozed":"soon"}"#, "is no duration"),
            (r#"{"failed":"x","retry_after":"169h"}"#, "1ms to 168h"),
        ] {
            let read = serde_json::from_str::<ComputeOutcome<Value>>(text);
            let error = read.unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("an outcome is"), "{error}");
        }
    }
}
