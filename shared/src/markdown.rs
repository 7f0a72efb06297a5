//! Markdown to HTML that is safe to show.

use std::cell::LazyCell;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd, html};
use syntect::html::{ClassStyle, ClassedHTMLGenerator};
use syntect::parsing::SyntaxSet;
use syntect::util::LinesWithEndings;
use uuid::Uuid;

use crate::db::images::Image;

/// Prefix of the classes of highlighted code; the style sheet colours them.
const CODE_PREFIX: &str = "hl-";
/// Characters of an excerpt at most.
const EXCERPT: usize = 220;
/// Marks within marks that a comment keeps; deeper ones are only their text.
/// No reader follows further, and it bounds what a hostile text costs.
const COMMENT_DEPTH: usize = 16;
/// What an `<img>` of a post is before its image is looked up.
const IMAGE_TAG: &str = "<img src=\"image:";

/// A post's text, ready to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Sanitised HTML; images are still `<img src="image:ID" alt="…">`, to be
    /// filled by [`fill_images`] when the page is made.
    pub html: String,
    /// The beginning, as plain text.
    pub excerpt: String,
    /// Words of the text.
    pub words: u32,
}

/// Renders what the author of a post wrote.
#[must_use]
pub fn render_post(markdown: &str) -> Rendered {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES;
    let mut raw = String::new();
    html::push_html(&mut raw, highlighted(Parser::new_ext(markdown, options)).into_iter());
    let text = plain_text(Parser::new_ext(markdown, options));
    let words = u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX);
    Rendered { html: POST_RULES.clean(&raw).to_string(), excerpt: excerpt(&text), words }
}

/// Renders what a visitor wrote: text, emphasis, lists, quotes, code, links.
/// Headings, images and raw HTML stay text.
#[must_use]
pub fn render_comment(markdown: &str) -> String {
    let events = Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH);
    let events = shallow(events).map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        Event::SoftBreak => Event::HardBreak,
        other => other,
    });
    let mut raw = String::new();
    html::push_html(&mut raw, events);
    COMMENT_RULES.clean(&raw).to_string()
}

/// Leaves out the marks that lie deeper than [`COMMENT_DEPTH`].
fn shallow<'a>(events: impl Iterator<Item = Event<'a>>) -> impl Iterator<Item = Event<'a>> {
    let mut depth = 0_usize;
    events.filter(move |event| match event {
        Event::Start(_) => {
            depth += 1;
            depth <= COMMENT_DEPTH
        }
        Event::End(_) => {
            depth -= 1;
            depth < COMMENT_DEPTH
        }
        _ => true,
    })
}

static POST_RULES: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
    let mut rules = ammonia::Builder::default();
    rules
        .add_tags(["input", "figure", "figcaption", "section"])
        .add_tag_attributes("input", ["type", "checked", "disabled"])
        .add_tag_attributes("code", ["class"])
        .add_tag_attributes("pre", ["class"])
        .add_tag_attributes("span", ["class"])
        .add_tag_attributes("div", ["class"])
        .add_tag_attributes("sup", ["class"])
        .add_generic_attributes(["id"])
        .add_url_schemes(["image"])
        .link_rel(Some("noopener"));
    rules
});

static COMMENT_RULES: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
    let tags =
        ["a", "blockquote", "br", "code", "del", "em", "li", "ol", "p", "pre", "strong", "ul"];
    let mut rules = ammonia::Builder::default();
    rules
        .tags(HashSet::from(tags))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .link_rel(Some("nofollow ugc noopener"));
    rules
});

/// Replaces each fenced block by its highlighted HTML.
fn highlighted<'a>(parser: Parser<'a>) -> Vec<Event<'a>> {
    let mut events = Vec::new();
    let mut block: Option<(String, String)> = None;
    // Loaded for a text that has code, and let go: together with what it
    // compiles as it reads, it takes more memory than the rest of the process.
    let syntaxes = LazyCell::new(SyntaxSet::load_defaults_newlines);
    for event in parser {
        match (event, block.as_mut()) {
            (Event::Start(Tag::CodeBlock(kind)), _) => {
                block = Some((language(&kind), String::new()));
            }
            (Event::End(TagEnd::CodeBlock), _) => {
                let (language, code) = block.take().unwrap_or_default();
                events.push(Event::Html(CowStr::from(code_html(&syntaxes, &language, &code))));
            }
            (Event::Text(text), Some((_, code))) => code.push_str(&text),
            (event, _) => events.push(event),
        }
    }
    events
}

fn language(kind: &CodeBlockKind<'_>) -> String {
    match kind {
        CodeBlockKind::Fenced(info) => info.split([' ', ',']).next().unwrap_or("").to_owned(),
        CodeBlockKind::Indented => String::new(),
    }
}

fn code_html(syntaxes: &SyntaxSet, language: &str, code: &str) -> String {
    let style = ClassStyle::SpacedPrefixed { prefix: CODE_PREFIX };
    let syntax = syntaxes
        .find_syntax_by_token(language)
        .unwrap_or_else(|| syntaxes.find_syntax_plain_text());
    let mut generator = ClassedHTMLGenerator::new_with_class_style(syntax, syntaxes, style);
    let known = LinesWithEndings::from(code)
        .try_for_each(|line| generator.parse_html_for_line_which_includes_newline(line));
    let body = match known {
        Ok(()) => generator.finalize(),
        Err(_) => escape(code),
    };
    format!(
        "<pre class=\"code\"><code class=\"language-{}\">{body}</code></pre>\n",
        escape(language)
    )
}

fn plain_text(parser: Parser<'_>) -> String {
    let (mut text, mut skipped) = (String::new(), 0_u32);
    for event in parser {
        match event {
            Event::Start(
                Tag::CodeBlock(_) | Tag::Heading { .. } | Tag::Image { .. } | Tag::Table(_),
            ) => {
                skipped += 1;
            }
            Event::End(TagEnd::CodeBlock | TagEnd::Heading(_) | TagEnd::Image | TagEnd::Table) => {
                skipped = skipped.saturating_sub(1);
            }
            Event::Text(part) | Event::Code(part) if skipped == 0 => text.push_str(&part),
            Event::End(
                TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link,
            ) => {}
            Event::SoftBreak | Event::HardBreak | Event::End(_) => text.push(' '),
            _ => {}
        }
    }
    text
}

/// The beginning of `text`, cut between words.
fn excerpt(text: &str) -> String {
    let mut excerpt = String::new();
    for word in text.split_whitespace() {
        if excerpt.chars().count() + word.chars().count() >= EXCERPT {
            excerpt.push('…');
            break;
        }
        if !excerpt.is_empty() {
            excerpt.push(' ');
        }
        excerpt.push_str(word);
    }
    excerpt
}

/// The ids of the images that a post's HTML shows.
#[must_use]
pub fn image_ids(html: &str) -> Vec<Uuid> {
    html.match_indices(IMAGE_TAG)
        .filter_map(|(at, tag)| html[at + tag.len()..].split('"').next()?.parse().ok())
        .collect()
}

/// Fills each `<img src="image:ID">` of a post's HTML by what `find` gives:
/// sources by width, fixed sizes, alternative text. An image that is not ready
/// is a sentence that says so.
pub fn fill_images<'a>(html: &str, find: impl Fn(Uuid) -> Option<&'a Image>) -> String {
    let mut filled = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(IMAGE_TAG) {
        let (before, tag) = rest.split_at(at);
        let end = tag.find('>').map_or(tag.len(), |end| end + 1);
        let (tag, after) = tag.split_at(end);
        filled.push_str(before);
        filled.push_str(&image_html(tag, &find));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn image_html<'a>(tag: &str, find: &impl Fn(Uuid) -> Option<&'a Image>) -> String {
    let id = tag[IMAGE_TAG.len()..].split('"').next().and_then(|id| id.parse().ok());
    let alt = attribute(tag, "alt").unwrap_or_default();
    match id.and_then(find) {
        Some(image) if !image.variants.is_empty() => responsive(image, alt),
        Some(_) => missing(&format!("The picture “{alt}” is not ready yet.")),
        None if alt.is_empty() => missing("There is no such picture."),
        None => missing(alt),
    }
}

fn missing(words: &str) -> String {
    format!("<span class=\"image-missing\">{words}</span>")
}

/// The value of an attribute in a tag that the sanitiser wrote: it is quoted
/// and escaped.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

/// `<picture>`-free responsive image: one format, a source a width, and fixed
/// sizes so that nothing jumps. `alt` is escaped already.
fn responsive(image: &Image, alt: &str) -> String {
    let alt = if alt.is_empty() { escape(&image.alt) } else { alt.to_owned() };
    let mut sources = String::new();
    for variant in image.variants.iter().filter(|v| !is_thumbnail(v.width, v.height, image)) {
        let comma = if sources.is_empty() { "" } else { ", " };
        let _infallible = write!(sources, "{comma}/media/{} {}w", variant.key, variant.width);
    }
    let widest = image.variants.last().map(|variant| variant.key.as_str()).unwrap_or_default();
    let (width, height) = (image.width.unwrap_or(0), image.height.unwrap_or(0));
    format!(
        "<img src=\"/media/{widest}\" srcset=\"{sources}\" sizes=\"(max-width: 45rem) 100vw, 42rem\" \
         width=\"{width}\" height=\"{height}\" alt=\"{alt}\" loading=\"lazy\" decoding=\"async\" \
         data-image=\"{}\">",
        image.id
    )
}

/// A square crop of an image that is not square is no source of it.
fn is_thumbnail(width: u32, height: u32, image: &Image) -> bool {
    width == height && image.width != image.height
}

fn escape(text: &str) -> String {
    ammonia::clean_text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_comment(markdown: &str, holds: &str, never: &str) {
        let html = render_comment(markdown);
        assert!(html.contains(holds), "{holds} is missing in {html}");
        assert!(!html.contains(never), "{never} is in {html}");
    }

    #[test]
    fn a_comment_can_hold_no_active_html() {
        check_comment("<script>alert(1)</script>", "alert(1)", "<script");
        check_comment("[x](javascript:alert)", "x", "javascript:");
        check_comment("<img src=x onerror=y>", "onerror", "<img");
        check_comment("![i](https://a.example/x.png)", "", "<img");
    }

    #[test]
    fn a_comment_keeps_its_marks_and_its_lines() {
        check_comment("**b** `c`\nnext", "<strong>b</strong> <code>c</code><br>", "\u{0}");
    }

    #[test]
    fn marks_within_marks_end_somewhere_and_their_text_stays() {
        let html = render_comment(&format!("{} deep", ">".repeat(10_000)));
        assert!(html.contains("deep") && html.matches("<blockquote>").count() == COMMENT_DEPTH);
        assert_eq!(html.matches("</blockquote>").count(), COMMENT_DEPTH);
    }

    #[test]
    fn a_comment_made_to_be_slow_is_rendered_soon() {
        let quotes = format!("{} x\n", ">".repeat(98)).repeat(100);
        let hostile = [
            ">".repeat(10_000),
            "- ".repeat(5_000),
            "*a ".repeat(3_333),
            "[".repeat(10_000),
            "![a](".repeat(2_000),
            "`a``".repeat(2_500),
            "<a ".repeat(3_333),
            "*_~~".repeat(2_500),
            quotes,
        ];
        for body in hostile {
            let began = std::time::Instant::now();
            let html = render_comment(&body);
            let took = began.elapsed();
            assert!(took.as_millis() < 500, "{took:?} for {}…", &body[..20]);
            assert!(html.len() < 10 * body.len(), "{} bytes for {}…", html.len(), &body[..20]);
        }
    }

    #[test]
    fn code_is_highlighted_by_classes_without_style() {
        let html = render_post("```rust\nfn main() {}\n```\n").html;
        assert!(html.contains("hl-storage") && !html.contains("style="), "{html}");
    }

    #[test]
    fn a_posts_images_are_found_and_filled() {
        let id = Uuid::now_v7();
        let html = render_post(&format!("Text ![a \"b\"](image:{id}) more")).html;
        assert_eq!(image_ids(&html), [id]);
        let filled = fill_images(&html, |_| None);
        let alt = "<span class=\"image-missing\">a &quot;b&quot;</span>";
        assert!(filled.contains(alt) && filled.contains("more"), "{filled}");
    }

    #[test]
    fn an_excerpt_is_plain_text_cut_between_words() {
        let rendered = render_post(&format!("# Title\n\nHello *world*. {}", "word ".repeat(90)));
        assert!(rendered.excerpt.starts_with("Hello world. word"));
        assert!(rendered.excerpt.ends_with("word…"));
        assert_eq!(rendered.words, 92);
    }
}
