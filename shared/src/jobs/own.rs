//! The kinds of job that Hearth runs itself, by queue.

use super::Job;
use super::blogroll::FeedChanged;
use super::comments::CheckComment;
use super::compute::{ComputeResult, KeepPoison};
use super::gateway::PollSource;
use super::images::{MakeVariants, VariantsMade};
use super::mail::SendSigninCode;
use super::posts::PublishPost;
use super::views::CountViews;

const KINDS: [(&str, &str); 10] = [
    of::<FeedChanged>(),
    of::<CheckComment>(),
    of::<ComputeResult>(),
    of::<KeepPoison>(),
    of::<PollSource>(),
    of::<MakeVariants>(),
    of::<VariantsMade>(),
    of::<SendSigninCode>(),
    of::<PublishPost>(),
    of::<CountViews>(),
];

/// Queues by which workers report; nobody else orders jobs of them.
const REPORTS: [&str; 2] = [ComputeResult::QUEUE, VariantsMade::QUEUE];

const fn of<J: Job>() -> (&'static str, &'static str) {
    (J::QUEUE, J::KIND)
}

/// The kinds that Hearth runs of a queue.
#[must_use]
pub fn kinds(queue: &str) -> Vec<&'static str> {
    KINDS.iter().filter(|(of, _)| *of == queue).map(|(_, kind)| *kind).collect()
}

/// Whether workers report by a queue what they made.
#[must_use]
pub fn is_of_reports(queue: &str) -> bool {
    REPORTS.contains(&queue)
}

/// Why nobody may order jobs of a queue: only workers do, to report what they made.
#[must_use]
pub fn queue_fault(queue: &str) -> Option<String> {
    is_of_reports(queue).then(|| {
        format!("{queue:?} is the site's own: by it workers report, and it takes no orders")
    })
}

/// Why a kind has no place in a queue of the site's own; of other queues nothing is
/// known.
#[must_use]
pub fn kind_fault(queue: &str, kind: &str) -> Option<String> {
    let kinds = kinds(queue);
    (!kinds.is_empty() && !kinds.contains(&kind))
        .then(|| format!("the queue {queue:?} takes {}; got {kind:?}", kinds.join(", ")))
}
