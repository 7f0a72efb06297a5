//! Reads Atom, RSS and JSON Feed into what a page may show: plain text, and
//! addresses of the web.

use feed_rs::model::{Entry, Feed as Parsed, Link, Text};
use shared::jobs::blogroll::FeedEntry;
use shared::sources::is_web;
use shared::time::Instant;
use url::Url;

/// How many entries of a feed are kept.
const ENTRIES: usize = 20;
/// Titles are cut to so many characters.
const TITLE_MAX: usize = 200;
/// Addresses and ids of more bytes are not taken.
const ADDRESS_MAX: usize = 2000;

/// A feed, as a page may show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Its title; the host's name when it has none.
    pub title: String,
    /// Its newest entries, newest first. Those without an address of the web
    /// are left out.
    pub entries: Vec<FeedEntry>,
}

/// Reads the feed that came from `from`.
///
/// # Errors
/// What is wrong with it.
pub fn read(body: &[u8], from: &Url) -> Result<Feed, String> {
    let parser = feed_rs::parser::Builder::new()
        .base_uri(Some(from.as_str()))
        .sanitize_content(false)
        .build();
    let parsed = parser.parse(body).map_err(|error| {
        format!("the answer is no feed (Atom, RSS or JSON Feed) that can be read: {error}")
    })?;
    let title = parsed.title.as_ref().map(plain).filter(|title| !title.is_empty());
    let host = from.host_str().unwrap_or_default();
    let title = title.unwrap_or_else(|| host.to_owned());
    Ok(Feed { title, entries: entries(parsed, from) })
}

fn entries(parsed: Parsed, from: &Url) -> Vec<FeedEntry> {
    let taken = parsed.entries.into_iter().filter_map(|found| entry(found, from));
    let mut entries: Vec<FeedEntry> = taken.collect();
    // The order of the feed stands where it has no times.
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.published_at));
    entries.truncate(ENTRIES);
    entries
}

fn entry(found: Entry, from: &Url) -> Option<FeedEntry> {
    let base = found.base.as_deref().and_then(|base| from.join(base).ok());
    let url = address(&found.links, base.as_ref().unwrap_or(from))?;
    let title = found.title.as_ref().map(plain).filter(|title| !title.is_empty());
    let id = if found.id.len() <= ADDRESS_MAX { found.id } else { url.clone() };
    let published = found.published.or(found.updated);
    Some(FeedEntry {
        id,
        title: title.unwrap_or_else(|| url.clone()),
        url,
        published_at: published.map(|at| Instant::from_millis(at.timestamp_millis())),
    })
}

/// Where an entry can be read.
fn address(links: &[Link], base: &Url) -> Option<String> {
    let is_page = |link: &&Link| matches!(link.rel.as_deref(), None | Some("alternate"));
    let link = links.iter().find(is_page)?;
    let url = base.join(link.href.trim()).ok().filter(is_web)?;
    let named = !url.username().is_empty() || url.password().is_some();
    let text = String::from(url);
    (!named && text.len() <= ADDRESS_MAX).then_some(text)
}

/// A title as one line of plain text.
fn plain(text: &Text) -> String {
    let is_html = text.content_type.as_ref() != "text/plain";
    let bare = if is_html { without_tags(&text.content) } else { text.content.clone() };
    let shown: String = bare.chars().filter(|c| c.is_whitespace() || is_shown(*c)).collect();
    let line = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(TITLE_MAX) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// Controls are not shown, nor are marks that turn the direction of all text
/// that follows.
fn is_shown(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns
}

/// The text of HTML.
fn without_tags(html: &str) -> String {
    let (mut text, mut rest) = (String::new(), html);
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        let tag = &rest[start..];
        if !tag[1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)) {
            text.push('<');
            rest = &tag[1..];
            continue;
        }
        rest = tag.find('>').map_or("", |end| &tag[end + 1..]);
    }
    text.push_str(rest);
    decoded(&text)
}

/// With the references to characters that titles hold replaced.
fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        let reference = rest[start + 1..].split_once(';');
        match reference.and_then(|(name, after)| Some((character(name)?, after))) {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push('&');
                rest = &rest[start + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let hex = number.strip_prefix(['x', 'X']);
        let code = hex.map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
        return code.and_then(char::from_u32);
    }
    let known = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", ' '),
        ("hellip", '…'),
        ("mdash", '—'),
        ("ndash", '–'),
        ("lsquo", '‘'),
        ("rsquo", '’'),
        ("ldquo", '“'),
        ("rdquo", '”'),
    ];
    known.iter().find(|(known, _)| *known == name).map(|(_, c)| *c)
}

#[cfg(test)]
mod tests;
