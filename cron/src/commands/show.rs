//! What the commands print.

use std::io::Write as _;

use serde::Serialize;
use serde_json::json;
use shared::db::Page;
use shared::db::backups::Run;
use shared::db::backups::drills::{Drill, LIVE};
use shared::db::backups::schedule::Task;

use super::{Status, TierStatus};
use crate::backup::Head;
use crate::restore::{Restored, Wanted};
use crate::words::{Moment, moment, size};

/// Prints a line; a reader that has gone away, such as `head`, is no failure.
pub(super) fn say(line: impl std::fmt::Display) {
    let _reader_is_gone = writeln!(std::io::stdout(), "{line}");
}

/// As JSON, or by `plain`.
fn print(json: bool, value: &impl Serialize, plain: impl FnOnce()) {
    if json {
        let text = serde_json::to_string_pretty(value);
        say(text.expect("results are plain JSON"));
    } else {
        plain();
    }
}

/// One run that has ended, or was only foreseen.
pub(super) fn run(json: bool, run: &Run) {
    print(json, run, || say(sentence(run)));
}

fn sentence(run: &Run) -> String {
    let tally = run.tally;
    let mut text = format!(
        "{}: {} in {}, {} objects ({}), copied {}, deleted {}, verified {}",
        run.tier,
        run.state,
        took(run),
        tally.objects,
        size(tally.bytes),
        tally.copied,
        tally.deleted,
        tally.verified,
    );
    if let Some(drill) = &run.drill {
        text.push_str(&format!(", restore drill {drill}"));
    }
    if let Some(at) = run.taken_at {
        text.push_str(&format!("\nit holds the site of {}", Moment::from(at)));
    }
    if let Some(error) = &run.error {
        text.push_str(&format!("\n{error}"));
    }
    text
}

fn took(run: &Run) -> String {
    let took = run.finished.unwrap_or(run.started).since(run.started);
    format!("{:.1} s", took.as_secs_f64())
}

/// Runs, newest first.
pub(super) fn runs(json: bool, page: &Page<Run>) {
    print(json, page, || {
        if page.items.is_empty() {
            return say("no backup has run yet");
        }
        say(HEADER);
        page.items.iter().for_each(|run| say(row(run)));
    });
}

const HEADER: &str = "tier    began                    state    objects      size  copied  deleted  \
                      took     drill   the site of";

fn row(run: &Run) -> String {
    let tally = run.tally;
    let mut text = format!(
        "{:<7} {:<24} {:<8} {:>7} {:>9} {:>7} {:>8}  {:<8} {:<7} {}",
        run.tier,
        Moment::from(run.started),
        run.state,
        tally.objects,
        size(tally.bytes),
        tally.copied,
        tally.deleted,
        took(run),
        run.drill.as_deref().unwrap_or("-"),
        moment(run.taken_at),
    );
    if let Some(error) = &run.error {
        text.push_str(&format!("\n        {error}"));
    }
    text
}

/// What a restore brought.
pub(super) fn restored(json: bool, wanted: &Wanted, restored: &Restored) {
    print(json, restored, || {
        let facts = &restored.facts;
        say(format_args!("restored {}, its integrity checked", restored.database.display()));
        if let Some(at) = restored.taken_at {
            say(format_args!("copied from the site at {}", Moment::from(at)));
        }
        say(format_args!(
            "it holds {} posts, {} comments, {} images, {} page views (schema {})",
            facts.posts, facts.comments, facts.images, facts.hits, facts.schema
        ));
        if wanted.objects {
            say(format_args!(
                "{} objects are beside it, in public/ and private/",
                restored.objects
            ));
        }
        if wanted.put_back {
            say(format_args!(
                "{} objects were put back into the site's buckets",
                restored.put_back
            ));
        }
    });
}

/// Drills by source, with what was wrong.
pub(super) fn drills(json: bool, results: &[(&str, Option<String>)]) {
    let rows: Vec<_> = results
        .iter()
        .map(|(name, error)| json!({"from": name, "passed": error.is_none(), "error": error}))
        .collect();
    print(json, &rows, || {
        for (name, error) in results {
            match error {
                None => say(format_args!("{name:<7} passed")),
                Some(error) => say(format_args!("{name:<7} failed: {error}")),
            }
        }
    });
}

/// What is due, what ran, and what the tiers hold.
pub(super) fn status(json: bool, status: &Status) {
    print(json, status, || {
        say(format_args!("{:<14} {:<24} {:<24} due", "task", "last begun", "last success"));
        status.tasks.iter().filter(|task| task.lease_owner.is_none()).for_each(task);
        say("");
        say(format_args!("{LIVE:<7} {}", live(&status.drills)));
        status.tiers.iter().for_each(tier);
    });
}

fn task(task: &Task) {
    say(format_args!(
        "{:<14} {:<24} {:<24} {}",
        task.task,
        moment(task.last_started_at),
        moment(task.last_success_at),
        moment(task.due_at)
    ));
}

fn live(drills: &[Drill]) -> String {
    match drills.iter().find(|drill| drill.source == LIVE) {
        None => "the replica on this box, not proved yet".to_owned(),
        Some(Drill { passed: true, at, .. }) => {
            format!("the replica on this box, {}", drilled(true, Moment::from(*at)))
        }
        Some(Drill { at, error, .. }) => {
            let (failed, error) = (drilled(false, Moment::from(*at)), error.as_deref());
            format!("the replica on this box, {failed}: {}", error.unwrap_or_default())
        }
    }
}

fn drilled(passed: bool, at: Moment) -> String {
    format!("restore drill {} at {at}", if passed { "passed" } else { "FAILED" })
}

fn tier(TierStatus { tier, head, error, last }: &TierStatus) {
    let text = match (head, error) {
        (_, Some(error)) => error.clone(),
        (None, None) => "holds nothing yet".to_owned(),
        (Some(head), None) => holds(head),
    };
    say(format_args!("{:<7} {text}", tier.as_str()));
    if let Some(error) = last.as_ref().and_then(|run| run.error.as_ref()) {
        say(format_args!("        the last run failed: {error}"));
    }
}

fn holds(head: &Head) -> String {
    let proved = head.drill.map_or_else(
        || "not proved yet".to_owned(),
        |drill| drilled(drill.passed, drill.at.into()),
    );
    let bytes = size(head.bytes.try_into().unwrap_or(i64::MAX));
    let taken_at = Moment::from(head.taken_at);
    format!("{} objects, {bytes}, the site of {taken_at}, {proved}", head.objects)
}

#[cfg(test)]
mod tests {
    use shared::db::backups::Tally;
    use shared::time::Instant;

    use super::*;

    fn promoted() -> Run {
        Run {
            id: String::new(),
            tier: "1-week".to_owned(),
            started: Instant::parse("2026-11-21T03:00:05Z").expect("a moment"),
            finished: Instant::parse("2026-11-21T03:00:07.500Z").ok(),
            state: "done".to_owned(),
            tally: Tally { objects: 6, bytes: 47_200_000, copied: 5, deleted: 1, verified: 6 },
            drill: Some("passed".to_owned()),
            error: None,
            taken_at: Instant::parse("2026-11-20T03:00:05Z").ok(),
        }
    }

    #[test]
    fn a_run_tells_the_date_of_the_site_that_it_holds() {
        let text = sentence(&promoted());
        let expected = "1-week: done in 2.5 s, 6 objects (47.2 MB), copied 5, deleted 1, \
                        verified 6, restore drill passed\n\
                        it holds the site of 2026-11-20 03:00:05 UTC";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_columns_of_a_list_stand_under_their_names() {
        let row = row(&promoted());
        for (name, value) in [
            ("began", "2026-11-21"),
            ("state", "done"),
            ("took", "2.5 s"),
            ("drill", "passed"),
            ("the site", "2026-11-20"),
        ] {
            assert_eq!(HEADER.find(name), row.find(value), "{name}\n{HEADER}\n{row}");
        }
        for (name, value) in
            [("objects", " 6 "), ("size", "MB"), ("copied", " 5 "), ("deleted", " 1 ")]
        {
            let end = |text: &str, part: &str| text.find(part).map(|at| at + part.trim_end().len());
            assert_eq!(end(HEADER, name), end(&row, value), "{name}\n{HEADER}\n{row}");
        }
    }
}
