//! The rules that tell a comment which looks like spam.

use shared::db::comments::Evidence;

/// More links than this are rare in a remark and usual in spam.
const LINKS_MAX: usize = 2;
/// More comments than this by one visitor in ten minutes are a flood.
const FLOOD: i64 = 5;
/// A repeated text shorter than this is a "Thanks!", not a copy.
const COPY_MIN: usize = 16;
/// Fewer letters than this may all be capitals: "OK", "LGTM".
const SHOUT_MIN: usize = 20;

/// Words and phrases that comment spam lives on, in lower case.
const SPAM: [&str; 30] = [
    "backlinks",
    "bitcoin doubler",
    "boost your ranking",
    "buy followers",
    "buy now",
    "casino",
    "cheap meds",
    "cialis",
    "click here to win",
    "crypto giveaway",
    "double your money",
    "escort",
    "forex signals",
    "free iphone",
    "hair growth pills",
    "jackpot",
    "levitra",
    "loan approval",
    "lose weight fast",
    "make money online",
    "online pharmacy",
    "payday loan",
    "payday loans",
    "porn",
    "replica watches",
    "seo service",
    "seo services",
    "sports betting",
    "viagra",
    "work from home and earn",
];

/// Why a comment looks like spam, in words for the admin; `None` when it does
/// not.
#[must_use]
pub fn suspicion(evidence: &Evidence) -> Option<String> {
    let comment = &evidence.comment;
    let links = links(&comment.body);
    if links > LINKS_MAX {
        return Some(format!("it has {links} links"));
    }
    if links_in_name(&comment.author) {
        return Some("the author's name is an address".to_owned());
    }
    if let Some(word) = spam_word(&comment.body).or_else(|| spam_word(&comment.author)) {
        return Some(format!("it says “{word}”"));
    }
    if comment.body.contains("[url=") || comment.body.contains("[/url]") {
        return Some("it is written for another kind of site ([url])".to_owned());
    }
    habits(evidence).or_else(|| shouts(&comment.body).then(|| "it is all capitals".to_owned()))
}

fn habits(evidence: &Evidence) -> Option<String> {
    let copied = evidence.same_text && evidence.comment.body.chars().count() >= COPY_MIN;
    if copied {
        return Some("the same text was sent before within a day".to_owned());
    }
    let more = evidence.same_visitor;
    (more > FLOOD).then(|| format!("the visitor sent {more} others within ten minutes"))
}

fn links(body: &str) -> usize {
    let lower = body.to_lowercase();
    let schemes = lower.matches("://").count();
    let bare = lower.match_indices("www.");
    schemes + bare.filter(|(at, _)| !lower[..*at].ends_with("://")).count()
}

fn links_in_name(author: &str) -> bool {
    let lower = author.to_lowercase();
    lower.contains("://") || lower.starts_with("www.")
}

/// The first of [`SPAM`] that stands in `text` as whole words.
fn spam_word(text: &str) -> Option<&'static str> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let line = format!(" {} ", words.join(" "));
    SPAM.into_iter().find(|spam| line.contains(&format!(" {spam} ")))
}

fn shouts(body: &str) -> bool {
    let upper = body.chars().filter(|c| c.is_uppercase()).count();
    let lower = body.chars().filter(|c| c.is_lowercase()).count();
    upper >= SHOUT_MIN && upper > 4 * lower
}

#[cfg(test)]
pub(crate) mod tests {
    use shared::db::comments::{Comment, CommentStatus};
    use shared::time::Instant;
    use uuid::Uuid;

    use super::*;

    pub(crate) fn evidence(body: &str) -> Evidence {
        let comment = Comment {
            id: Uuid::now_v7(),
            post: "hello".to_owned(),
            parent: None,
            author: "Ann".to_owned(),
            by_admin: false,
            body: body.to_owned(),
            html: String::new(),
            status: CommentStatus::Pending,
            created_at: Instant::now(),
        };
        Evidence {
            comment,
            trusted: false,
            checked: false,
            same_text: false,
            same_visitor: 0,
            known_author: false,
        }
    }

    #[track_caller]
    fn check(body: &str, expect: Option<&str>) {
        let found = suspicion(&evidence(body));
        match (found, expect) {
            (None, None) => {}
            (Some(found), Some(part)) if found.contains(part) => {}
            (found, _) => panic!("{body:?} gave {found:?}, not {expect:?}"),
        }
    }

    #[test]
    fn a_plain_remark_is_not_suspicious() {
        check("I tried this on a Raspberry Pi and it works. Thanks!", None);
        check("See https://a.example and http://www.b.example", None);
        check("The specialists at work", None);
        check("OK", None);
        check("ДОБРЫЙ день, очень интересно", None);
    }

    #[test]
    fn spam_is_held_and_the_admin_is_told_why() {
        check("https://a https://b https://c", Some("3 links"));
        check("www.a.example www.b.example www.c.example", Some("3 links"));
        check("Best CASINO, join", Some("casino"));
        check("Get a pay-day loan? payday  loan!", Some("payday loan"));
        check("THIS IS THE BEST POST I HAVE EVER READ", Some("capitals"));
        check("[url=x]y[/url]", Some("[url]"));
    }

    #[test]
    fn a_copy_and_a_flood_are_held_but_not_a_second_thanks() {
        let mut copy = evidence("The very same words, sent again.");
        copy.same_text = true;
        assert!(suspicion(&copy).unwrap().contains("same text"));
        let mut thanks = evidence("Thanks!");
        thanks.same_text = true;
        assert_eq!(suspicion(&thanks), None);
        let mut flood = evidence("Another one.");
        flood.same_visitor = 5;
        assert_eq!(suspicion(&flood), None);
        flood.same_visitor = 6;
        assert!(suspicion(&flood).unwrap().contains("6 others"));
    }

    #[test]
    fn an_address_is_no_name() {
        let mut named = evidence("Nice");
        named.comment.author = "https://spam.example".to_owned();
        assert!(suspicion(&named).unwrap().contains("name"));
    }
}
