//! An order for a job, as the API and the command take it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::enqueue::{Enqueue, Hold, Priority};
use super::own;
use crate::queues::{CONCURRENCY_MAX, Queues, Role};
use crate::subject::{WORD_MAX, is_word};
use crate::time::Instant;

/// Longest key of a unique job, in bytes.
pub const KEY_MAX: usize = 200;
/// Largest payload, in bytes of JSON: a message holds 1 MiB at most.
pub const PAYLOAD_MAX: usize = 256 * 1024;
/// Greatest cost: no queue has more to give.
pub const COST_MAX: u32 = CONCURRENCY_MAX as u32;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The queue that takes it.
    pub queue: String,
    /// Its kind within the queue.
    pub kind: String,
    /// What the kind says.
    #[serde(default)]
    pub payload: Value,
    /// Not before; at once when there is none, or it is past.
    pub run_at: Option<Instant>,
    /// Sent only while no other job of the queue holds it.
    pub unique_key: Option<String>,
    /// The usual one when there is none.
    pub priority: Option<Priority>,
    /// 1 when there is none.
    pub cost: Option<u32>,
}

/// What is wrong with a field of an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Refusal {
    /// The field.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl Order {
    /// The job that is asked for, where the site of `queues` can run it.
    ///
    /// # Errors
    /// Every field at fault.
    pub fn checked(self, queues: &Queues, cause: Uuid) -> Result<Enqueue<Value>, Vec<Refusal>> {
        let faults = [
            ("queue", self.queue_fault(queues)),
            ("kind", self.kind_fault(queues)),
            ("payload", self.payload_fault()),
            ("unique_key", self.key_fault()),
            ("cost", self.cost_fault()),
        ];
        let refusal =
            |(field, problem): (_, Option<String>)| Some(Refusal { field, problem: problem? });
        let refusals: Vec<Refusal> = faults.into_iter().filter_map(refusal).collect();
        if refusals.is_empty() { Ok(self.job(cause)) } else { Err(refusals) }
    }

    fn job(self, cause: Uuid) -> Enqueue<Value> {
        let Self { queue, kind, payload, run_at, unique_key, priority, cost } = self;
        let job = Enqueue::of(queue, &kind, cause, payload);
        let job = job.priority(priority.unwrap_or_default()).cost(cost.unwrap_or(1));
        let job = match run_at {
            Some(due) if due > Instant::now() => job.at(due),
            _ => job,
        };
        match unique_key {
            Some(key) => job.unique(key, Hold::UntilOver),
            None => job,
        }
    }

    fn queue_fault(&self, queues: &Queues) -> Option<String> {
        let queue = &self.queue;
        if !queues.queues.contains_key(queue) {
            return Some(queues.unknown(queue));
        }
        own::queue_fault(queue)
    }

    /// A job of a kind that nobody runs would be dead at once.
    fn kind_fault(&self, queues: &Queues) -> Option<String> {
        let Self { queue, kind, .. } = self;
        if !is_word(kind) {
            let (got, length) = (kind.chars().take(WORD_MAX).collect::<String>(), kind.len());
            let takes = format!("it takes 1 to {WORD_MAX} of a-z, 0-9, - and _");
            return Some(format!("{takes}; got {got:?}, of {length} bytes"));
        }
        let role = queues.queues.get(queue)?.role;
        if role == Role::External {
            return None;
        }
        if own::kinds(queue).is_empty() {
            return Some(format!(
                "nothing runs the jobs of {queue:?}: a queue for another program has the role \
                 external, not {}",
                role.as_str()
            ));
        }
        own::kind_fault(queue, kind)
    }

    fn payload_fault(&self) -> Option<String> {
        let size = self.payload.to_string().len();
        (size > PAYLOAD_MAX)
            .then(|| format!("it has {size} bytes of JSON; {PAYLOAD_MAX} at most are taken"))
    }

    fn cost_fault(&self) -> Option<String> {
        let cost = self.cost?;
        (!(1..=COST_MAX).contains(&cost)).then(|| format!("it takes 1 to {COST_MAX}; got {cost}"))
    }

    fn key_fault(&self) -> Option<String> {
        let size = self.unique_key.as_ref()?.len();
        (!(1..=KEY_MAX).contains(&size))
            .then(|| format!("it has {size} bytes; it takes 1 to {KEY_MAX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "queues:\n  words: {role: external, timeout: 1s, attempts: 1, backoff: 1s}\n  \
                        mail: {role: data, timeout: 1s, attempts: 1, backoff: 1s}\n  \
                        idle: {role: data, timeout: 1s, attempts: 1, backoff: 1s}\n  \
                        results: {role: data, timeout: 1s, attempts: 1, backoff: 1s}\n";

    fn check(order: Value) -> Result<Enqueue<Value>, Vec<Refusal>> {
        let order: Order = serde_json::from_value(order).unwrap();
        order.checked(&Queues::parse(FILE).unwrap(), Uuid::now_v7())
    }

    #[track_caller]
    fn refused(order: Value, field: &str, parts: &[&str]) {
        let refusals = check(order).unwrap_err();
        let found = refusals.iter().find(|refusal| refusal.field == field);
        let problem = &found.unwrap_or_else(|| panic!("{field} in {refusals:?}")).problem;
        for part in parts {
            assert!(problem.contains(part), "{part} is missing in {problem}");
        }
    }

    #[test]
    fn an_order_is_for_a_queue_that_there_is_and_a_kind_that_is_run() {
        use serde_json::json;
        assert!(check(json!({"queue": "words", "kind": "any"})).is_ok());
        assert!(check(json!({"queue": "mail", "kind": "signin-code"})).is_ok());
        refused(json!({"queue": "mail", "kind": "any"}), "kind", &["signin-code", "any"]);
        refused(json!({"queue": "idle", "kind": "any"}), "kind", &["external"]);
        refused(json!({"queue": "results", "kind": "compute"}), "queue", &["no orders"]);
        refused(json!({"queue": "none", "kind": "any"}), "queue", &["none", "idle, mail, results"]);
    }

    #[test]
    fn everything_wrong_with_an_order_is_told_at_once() {
        use serde_json::json;
        let kind = "a".repeat(101);
        let order = json!({"queue": "none", "kind": kind, "unique_key": "", "cost": 1001});
        refused(order.clone(), "cost", &["1 to 1000", "1001"]);
        refused(order.clone(), "queue", &["none"]);
        refused(order.clone(), "kind", &["1 to 100", "101 bytes"]);
        refused(order, "unique_key", &["0 bytes", "1 to 200"]);
    }
}
