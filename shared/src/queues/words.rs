//! What the parser says of a mistake in the file, in plain words.
//!
//! It speaks in terms of its own types; whoever wrote the file reads which field of
//! which line is wrong, and what would be right.

/// The mistake that the parser found in `text`.
pub(super) fn of(text: &str, error: &serde_saphyr::Error) -> String {
    let said = error.without_snippet().to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    let place = error.location().filter(|_| !said.starts_with("unexpected end"));
    let Some(place) = place else {
        return "the file is empty, or breaks off; it takes `queues:` and a queue below it"
            .to_owned();
    };
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    plain(text, (count(place.line()), count(place.column())), said)
}

/// The mistake that the parser calls `said`, at a line and a character of it, both
/// from 1.
fn plain(text: &str, (line, column): (usize, usize), said: &str) -> String {
    let field = field(text.lines().nth(line.saturating_sub(1)).unwrap_or_default(), column);
    let field = field.map_or_else(String::new, |field| format!("{field}: "));
    match about_a_field(said) {
        Some(problem) => format!("line {line}: {problem}"),
        None => format!("line {line}: {field}{}", about_a_value(said)),
    }
}

/// The key of the value at that place of a line.
fn field(line: &str, column: usize) -> Option<String> {
    let before: String = line.chars().take(column.saturating_sub(1)).collect();
    let before = before.trim_end_matches([' ', '[', '"', '\'']).strip_suffix(':')?;
    before.rsplit([' ', '{', ',']).next().map(str::to_owned)
}

fn about_a_field(said: &str) -> Option<String> {
    if let Some((field, known)) =
        said.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected "))
    {
        let known = known.trim_start_matches("one of ");
        return Some(format!("there is no field {field}; the fields here are {known}"));
    }
    if let Some(field) = said.strip_prefix("missing field `") {
        return Some(format!("{} is missing here", field.trim_end_matches('`')));
    }
    let (field, _) = said.strip_prefix("duplicate mapping key: ")?.split_once(',')?;
    Some(format!("{field} is there twice; it takes one"))
}

fn about_a_value(said: &str) -> String {
    if let Some((got, known)) =
        said.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, expected "))
    {
        return format!("it takes {known}; got {got:?}");
    }
    let takes = match said {
        // The file's own types speak plainly by themselves.
        own if own.contains("it takes ") => own,
        "invalid u64" => "it takes a whole number",
        "invalid boolean" => "it takes true or false",
        "expected string scalar" => "it takes one value, not a list or fields",
        "expected sequence start" => "it takes a list, such as [events.words]",
        "expected mapping start" => "it takes fields of its own, such as `role: data`",
        enumeration if enumeration.contains("enum expected") => "it takes one word",
        tab if tab.starts_with("tabs ") => "there is a tab; indent with spaces",
        open if open.starts_with("unclosed bracket") => "a bracket that begins here has no end",
        _ => "this is no YAML: look for a missing colon, quote or bracket, or a wrong indent",
    };
    takes.to_owned()
}

#[cfg(test)]
mod tests {
    use crate::queues::Queues;

    const GOOD: &str =
        "queues:\n  mail:\n    role: data\n    timeout: 30s\n    attempts: 5\n    backoff: 1s\n";

    #[track_caller]
    fn told(text: &str, told: &str) {
        assert_eq!(Queues::parse(text).unwrap_err(), told);
    }

    #[test]
    fn a_mistake_is_told_by_line_and_field_and_in_no_words_of_the_parser() {
        let with = |line: &str| format!("{GOOD}    {line}\n");
        let role = "line 3: role: it takes one of data, compute, external; got \"dat\"";
        told(&GOOD.replace("data", "dat"), role);
        told(&GOOD.replace("data", "[1]"), "line 3: role: it takes one word");
        told(&GOOD.replace(": 5", ": many"), "line 5: attempts: it takes a whole number");
        told(&GOOD.replace("    timeout: 30s\n", ""), "line 5: timeout is missing here");
        told(&with("backoff: 2s"), "line 7: backoff is there twice; it takes one");
        told(&with("paused: maybe"), "line 7: paused: it takes true or false");
        told(&with("rate: 5"), "line 7: rate: it takes fields of its own, such as `role: data`");
        told(&with("results: here"), "line 7: results: it takes a list, such as [events.words]");
        told(
            &with("results: [here]"),
            "line 7: results: \"here\" is no destination; it takes jobs.<queue>.<kind> or \
             events.<topic>",
        );
        told(
            "queue:\n  mail: 5\n",
            "line 1: there is no field queue; the fields here are queues, periodic",
        );
        told(
            "queues:\n  mail: {role: data\n",
            "line 2: mail: a bracket that begins here has no end",
        );
        told("queues:\n\tmail: 5\n", "line 2: there is a tab; indent with spaces");
        told("", "the file is empty, or breaks off; it takes `queues:` and a queue below it");
    }
}
