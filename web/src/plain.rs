//! What a parser says of an input, in plain words.
//!
//! The parsers of JSON, forms and queries describe a mistake in terms of their
//! own types. Whoever sent the input knows its fields, and reads which one is
//! wrong and what would be right.

use crate::error::Error;

/// The refusal of an input (`what`, such as `the query`) of which its parser
/// said `said`: the path of a field, and the problem.
pub fn refused(what: &str, said: &str) -> Error {
    let said = without_place(said);
    let (path, problem) = match said.split_once(": ") {
        Some((path, problem)) if is_path(path) => (path, problem),
        _ => ("", said),
    };
    if let Some((field, known)) = unknown_field(problem) {
        return Error::field(within(path, field), format!("there is no such field; {known}"));
    }
    if let Some(field) = quoted_after(problem, "missing field ") {
        return Error::bad_request(format!("{what} lacks {}", within(path, field)));
    }
    if let Some(field) = quoted_after(problem, "duplicate field ") {
        return Error::bad_request(format!("{what} has {} twice", within(path, field)));
    }
    let colon = if path.is_empty() { "" } else { ": " };
    let takes = takes(problem);
    Error::bad_request(format!("{what} is not what is taken here: {path}{colon}{takes}"))
}

/// The path of a field, of which a parser may have named the end, or all.
fn within(path: &str, field: &str) -> String {
    match path {
        "" => field.to_owned(),
        path if path == field || path.ends_with(&format!(".{field}")) => path.to_owned(),
        path => format!("{path}.{field}"),
    }
}

/// Where in a text a parser stumbled, as the end of a sentence.
#[must_use]
pub fn place(said: &str) -> String {
    said.rsplit_once(" at line ")
        .and_then(|(_, place)| place.split_once(" column "))
        .map_or_else(String::new, |(line, column)| {
            format!(": line {line}, character {column} cannot be read")
        })
}

fn without_place(said: &str) -> &str {
    said.rsplit_once(" at line ").map_or(said, |(said, _)| said)
}

/// Whether this is the path of a field, such as `tags[1]`.
fn is_path(text: &str) -> bool {
    let legal = |c: char| c.is_alphanumeric() || "_.[]-".contains(c);
    !text.is_empty() && text.chars().all(legal)
}

/// The field that nobody asked for, and those that there are.
fn unknown_field(said: &str) -> Option<(&str, String)> {
    let (_, rest) = said.split_once("unknown field `")?;
    let (field, rest) = rest.split_once('`')?;
    Some((field, format!("the fields are {}", choices(rest))))
}

fn quoted_after<'a>(said: &'a str, words: &str) -> Option<&'a str> {
    let (_, rest) = said.split_once(words)?;
    rest.strip_prefix('`')?.split('`').next()
}

/// The quoted words of `expected one of `a`, `b``.
fn choices(text: &str) -> String {
    let words: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    words.join(", ")
}

/// What a field takes.
fn takes(problem: &str) -> String {
    // The site's own types speak plainly by themselves.
    if problem.starts_with("it takes") {
        return problem.to_owned();
    }
    if let Some(rest) = problem.strip_prefix("unknown variant `")
        && let Some((got, rest)) = rest.split_once('`')
    {
        return format!("it takes one of {}; got {got:?}", choices(rest));
    }
    if let Some((got, wanted)) = problem
        .strip_prefix("invalid type: ")
        .or_else(|| problem.strip_prefix("invalid value: "))
        .and_then(|rest| rest.split_once(", expected "))
    {
        return format!("it takes {}; got {}", kind(wanted), found(got));
    }
    // A list is read as the fields in their order.
    if problem.starts_with("invalid length ") {
        return "it takes an object; got a list".to_owned();
    }
    let number = ["invalid digit", "cannot parse integer", "number too", "invalid float"];
    if number.iter().any(|start| problem.starts_with(start)) {
        return "it takes a whole number".to_owned();
    }
    "a value in it cannot be read".to_owned()
}

/// What a parser calls a type, as people call it.
fn kind(wanted: &str) -> &str {
    match wanted {
        "a string" | "a borrowed string" | "string or map" => "a text",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "i64" | "u64" | "u32" | "usize" | "i32" => "a whole number",
        other if other.starts_with("struct") || other == "a map" => "an object",
        // The site's own types speak plainly by themselves.
        own if own.starts_with("a moment") || own.starts_with("one of ") => own,
        _ => "something else",
    }
}

/// What a parser found, as people call it.
fn found(got: &str) -> String {
    let (kind, value) = got.split_once(' ').unwrap_or((got, ""));
    match kind {
        "integer" => format!("the number {}", value.trim_matches('`')),
        "floating" => {
            format!("the number {}", value.trim_start_matches("point ").trim_matches('`'))
        }
        "boolean" => value.trim_matches('`').to_owned(),
        "string" => format!("the text {value}"),
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        _ => "null".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, told: &str) {
        assert_eq!(refused("the JSON", said).to_string(), told);
    }

    #[test]
    fn a_mistake_is_told_in_terms_of_the_fields() {
        check(
            "limit: invalid digit found in string",
            "the JSON is not what is taken here: limit: it takes a whole number",
        );
        check(
            "status: unknown variant `public`, expected one of `draft`, `published`",
            "the JSON is not what is taken here: status: it takes one of draft, published; got \
             \"public\"",
        );
        check(
            "title: invalid type: integer `5`, expected a string at line 1 column 11",
            "the JSON is not what is taken here: title: it takes a text; got the number 5",
        );
        check("missing field `title` at line 1 column 2", "the JSON lacks title");
        check("items[1]: missing field `queue`", "the JSON lacks items[1].queue");
        check("items[0].cost: duplicate field `cost`", "the JSON has items[0].cost twice");
        check(
            "a: b::C failed (os error 5)",
            "the JSON is not what is taken here: a: a value in it cannot be read",
        );
    }

    #[test]
    fn a_field_that_nobody_asked_for_is_named() {
        let error = refused("the JSON", "titel: unknown field `titel`, expected `title` or `slug`");
        assert_eq!(error.status(), axum::http::StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(error.to_string(), "titel: there is no such field; the fields are title, slug");
    }

    #[test]
    fn the_place_of_a_mistake_is_told() {
        let said = "expected `,` or `}` at line 2 column 7";
        assert_eq!(place(said), ": line 2, character 7 cannot be read");
        assert_eq!(place("else"), "");
    }
}
