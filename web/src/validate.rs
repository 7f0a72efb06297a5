//! What fields take, in one place for forms and JSON.

use crate::error::{Error, FieldError, Result};

/// Longest name of a comment's author, in characters.
pub const AUTHOR_MAX: usize = 80;
/// Longest comment, in characters.
pub const COMMENT_MAX: usize = 10_000;
/// Longest title of a post, in characters.
pub const TITLE_MAX: usize = 200;
/// Longest slug, in characters.
pub const SLUG_MAX: usize = 100;
/// Longest text of a post, in bytes.
pub const MARKDOWN_MAX: usize = 1024 * 1024;
/// Most tags of a post.
pub const TAGS_MAX: usize = 20;
/// Longest tag, in characters.
pub const TAG_MAX: usize = 50;
/// Longest alternative text of an image, in characters.
pub const ALT_MAX: usize = 500;
/// Longest e-mail address, in characters.
const EMAIL_MAX: usize = 254;

/// Gathers what is wrong, so that all of it is told at once.
#[derive(Debug, Default)]
pub struct Checks(Vec<FieldError>);

impl Checks {
    /// Notes `problem` of `field`.
    pub fn refuse(&mut self, field: &'static str, problem: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), detail: problem.into() });
    }

    /// Notes that a text has fewer than `min` or more than `max` characters,
    /// or holds control characters other than line ends and tabs.
    pub fn text(&mut self, field: &'static str, value: &str, min: usize, max: usize) {
        let length = value.chars().count();
        if length < min {
            self.refuse(field, "it is missing");
        } else if length > max {
            self.refuse(field, format!("it has {length} characters; {max} at most are taken"));
        }
        if value.chars().any(|c| c.is_control() && !"\n\r\t".contains(c)) {
            self.refuse(field, "it holds control characters");
        }
    }

    /// As [`Checks::text`], of one line.
    pub fn line(&mut self, field: &'static str, value: &str, min: usize, max: usize) {
        self.text(field, value, min, max);
        if value.contains(['\n', '\r']) {
            self.refuse(field, "it takes one line");
        }
    }

    /// Notes that a text is no e-mail address.
    pub fn email(&mut self, field: &'static str, value: &str) {
        if !is_email(value) {
            self.refuse(field, "it is no e-mail address, such as me@example.com");
        }
    }

    /// Notes that a text is no slug.
    pub fn slug(&mut self, field: &'static str, value: &str) {
        if !is_slug(value) {
            let takes = format!(
                "it takes small letters, digits and single hyphens, {SLUG_MAX} at most, such as \
                 hello-world; got {value:?}"
            );
            self.refuse(field, takes);
        }
    }

    /// Takes back what was noted of `field`.
    pub fn forget(&mut self, field: &str) {
        self.0.retain(|error| error.field != field);
    }

    /// What was refused, by field.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0
    }

    /// Ends the checks.
    ///
    /// # Errors
    /// When something was refused.
    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}

/// Whether `text` looks like an address that mail can be sent to.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c));
    let words = host.split('.').all(|word| {
        let legal = word.chars().all(|c| c.is_alphanumeric() || c == '-');
        !word.is_empty() && legal && !word.starts_with('-') && !word.ends_with('-')
    });
    plain && words && !name.is_empty() && !name.contains('@') && text.len() <= EMAIL_MAX
}

/// Whether `text` can be a post's address under `/posts/`.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let words = text.split('-').all(|word| !word.is_empty() && word.chars().all(legal));
    text.len() <= SLUG_MAX && words
}

/// A slug made from a title; empty when nothing of it can be part of one.
#[must_use]
pub fn slug_of(title: &str) -> String {
    let mut slug = String::new();
    for c in title.to_lowercase().chars().map(plain_letter) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= SLUG_MAX {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

fn plain_letter(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'ç' => 'c',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ß' => 's',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_text() {
        for good in ["me@example.com", "a.b+c@x-y.example", "admin@localhost"] {
            assert!(is_email(good), "{good} was refused");
        }
        for bad in ["", "me", "@x.y", "a@", "a b@c.d", "a@b@c", "a@.b", "a@-b.c", "<a@b.c>"] {
            assert!(!is_email(bad), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_slug_is_words_joined_by_single_hyphens() {
        for good in ["a", "hello-world", "2026-11"] {
            assert!(is_slug(good), "{good} was refused");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a/b", "ä", "a b", &"a".repeat(101)] {
            assert!(!is_slug(bad), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_slug_is_made_from_a_title() {
        assert_eq!(slug_of("Hello, Wörld! (again)"), "hello-world-again");
        assert_eq!(slug_of("…"), "");
        assert!(is_slug(&slug_of(&"ab ".repeat(90))));
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let mut checks = Checks::default();
        checks.line("author", "", 1, AUTHOR_MAX);
        checks.text("body", &"a".repeat(COMMENT_MAX + 1), 1, COMMENT_MAX);
        checks.email("email", "nobody");
        let fields: Vec<_> = checks.errors().iter().map(|error| error.field.as_ref()).collect();
        assert_eq!(fields, ["author", "body", "email"]);
        assert!(checks.finish().is_err());
    }
}
