//! `GET /search?q=`.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shared::db::posts::{self, Post};

use super::present::{date, when};
use crate::error::Result;
use crate::extract::Query;
use crate::page::{self, Frame};
use crate::state::AppState;
use crate::views::Pager;
use crate::views::blog::{SearchHit, SearchPage, SnippetPart};

/// Hits of a search at most.
const HITS: usize = 30;
/// Characters that a query may have; the rest is not looked for.
const QUERY: usize = 200;
/// Words of the text around a match.
const AROUND: usize = 14;

/// The query.
#[derive(Debug, Deserialize)]
pub struct Asked {
    #[serde(default)]
    q: String,
}

/// Shows the form, and what was found.
///
/// # Errors
/// When the database fails.
pub async fn search(
    State(state): State<AppState>,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let query: String = asked.q.trim().chars().take(QUERY).collect();
    let found = posts::search(&state.data, &query, HITS).await?;
    let hits = found.into_iter().map(|post| hit(post, &query)).collect();
    let layout = frame.layout().await?;
    page::public(&SearchPage { layout, query, hits, pager: Pager::default() })
}

fn hit(post: Post, query: &str) -> SearchHit {
    SearchHit {
        snippet: snippet(&plain_text(&post.html), query),
        published: when(date(&post)),
        slug: post.slug,
        title: post.title,
    }
}

/// The text of HTML that our sanitiser wrote: every `<` begins a tag.
fn plain_text(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        let (tag, after) = part.split_once('>').unwrap_or(("", part));
        if !tag.starts_with("/span") && !tag.starts_with("span") {
            text.push(' ');
        }
        text.push_str(after);
    }
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&")
}

/// The words around the first match, the matches marked.
fn snippet(text: &str, query: &str) -> Vec<SnippetPart> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let wanted: Vec<String> = terms(query);
    let first = words.iter().position(|word| matches(word, &wanted)).unwrap_or(0);
    let (from, to) = (first.saturating_sub(AROUND / 2), (first + AROUND * 2).min(words.len()));
    let mut parts: Vec<SnippetPart> = Vec::new();
    let mut push = |text: &str, hit: bool| match parts.last_mut() {
        Some(part) if part.hit == hit => part.text.push_str(text),
        _ => parts.push(SnippetPart { text: text.to_owned(), hit }),
    };
    if from > 0 {
        push("… ", false);
    }
    for word in &words[from..to] {
        if matches(word, &wanted) {
            let (before, bare, after) = bare(word);
            push(before, false);
            push(bare, true);
            push(after, false);
        } else {
            push(word, false);
        }
        push(" ", false);
    }
    if to < words.len() {
        push("…", false);
    }
    parts
}

/// A word without the punctuation around it, and that.
fn bare(word: &str) -> (&str, &str, &str) {
    let rest = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let bare = rest.trim_end_matches(|c: char| !c.is_alphanumeric());
    (&word[..word.len() - rest.len()], bare, &rest[bare.len()..])
}

fn terms(query: &str) -> Vec<String> {
    let words = query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Whether a word of the text is one that was looked for, or begins with it.
fn matches(word: &str, wanted: &[String]) -> bool {
    terms(word).iter().any(|part| wanted.iter().any(|term| part.starts_with(term.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_marks_the_words_that_were_looked_for() {
        let text = format!("{} the outbox, and more {}", "x ".repeat(40), "y ".repeat(40));
        let parts = snippet(&text, "OUTBOX");
        let marked: Vec<_> = parts.iter().filter(|part| part.hit).map(|part| &part.text).collect();
        assert_eq!(marked, ["outbox"]);
        assert!(parts[0].text.starts_with("… x"));
        assert!(parts.last().is_some_and(|part| part.text.ends_with('…')));
    }

    #[test]
    fn tags_and_entities_are_not_part_of_the_text() {
        assert_eq!(plain_text("<p>a <b>b</b> &lt;c&gt; &amp;amp;</p>").trim(), "a  b  <c> &amp;");
    }
}
