//! The sample posts and comments, as they stand in `posts/` and
//! `comments.md`.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Name and text of each file.
const POSTS: &[(&str, &str)] = &[
    ("counting-without-cookies", include_str!("posts/counting-without-cookies.md")),
    ("dead-jobs", include_str!("posts/dead-jobs.md")),
    ("exactly-once-honestly", include_str!("posts/exactly-once-honestly.md")),
    ("five-containers", include_str!("posts/five-containers.md")),
    ("group-commit", include_str!("posts/group-commit.md")),
    ("kill-nine", include_str!("posts/kill-nine.md")),
    ("litestream-and-the-wal", include_str!("posts/litestream-and-the-wal.md")),
    ("reading-the-code", include_str!("posts/reading-the-code.md")),
    ("sync-always", include_str!("posts/sync-always.md")),
    ("the-live-hub", include_str!("posts/the-live-hub.md")),
    ("the-outbox", include_str!("posts/the-outbox.md")),
    ("the-way-of-an-image", include_str!("posts/the-way-of-an-image.md")),
    ("three-tiers", include_str!("posts/three-tiers.md")),
    ("without-javascript", include_str!("posts/without-javascript.md")),
];
const COMMENTS: &str = include_str!("comments.md");

/// Whom `comments.md` means when the site's own author answers.
pub const THE_AUTHOR: &str = "The author";

/// When a post is to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Not yet.
    Draft,
    /// Days from today (negative: in the past) and minutes after midnight UTC.
    On(i64, i64),
}

/// A post with names of pictures where ids belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Its place in the address.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it is published.
    pub when: When,
    /// Its text, with `](image:NAME)` for pictures.
    pub markdown: String,
}

/// A comment; `key` names it within the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// The post.
    pub slug: String,
    /// What an answer calls it.
    pub key: String,
    /// Who wrote it.
    pub author: String,
    /// The key of the comment that it answers.
    pub parent: Option<String>,
    /// Markdown.
    pub body: String,
}

/// All posts, oldest first, the draft at the end.
///
/// # Errors
/// The file and what is wrong with it.
pub fn posts() -> Result<Vec<Post>, String> {
    let parsed = POSTS.iter().map(|&(name, file)| {
        let post = post(file).map_err(|error| format!("posts/{name}.md: {error}"))?;
        if post.slug == name { Ok(post) } else { Err(format!("posts/{name}.md: slug differs")) }
    });
    let mut posts = parsed.collect::<Result<Vec<_>, String>>()?;
    posts.sort_by_key(|post| match post.when {
        When::On(day, minute) => (day, minute),
        When::Draft => (i64::MAX, 0),
    });
    Ok(posts)
}

/// All comments, each after the one that it answers.
///
/// # Errors
/// What is wrong with the file.
pub fn comments() -> Result<Vec<Comment>, String> {
    let sections = COMMENTS.split("\n@@ ").skip(1);
    sections.map(|section| comment(section).map_err(|e| format!("comments.md: {e}"))).collect()
}

impl Post {
    /// Names of the pictures that it shows.
    pub fn pictures(&self) -> Vec<&str> {
        let tails = self.markdown.split("](image:").skip(1);
        tails.filter_map(|tail| tail.split(')').next()).collect()
    }

    /// Its text with ids in place of names.
    pub fn text(&self, ids: &BTreeMap<String, String>) -> String {
        self.pictures().into_iter().fold(self.markdown.clone(), |text, name| match ids.get(name) {
            Some(id) => text.replace(&format!("](image:{name})"), &format!("](image:{id})")),
            None => text,
        })
    }
}

impl When {
    /// `draft`, `published` or `scheduled`.
    pub fn status(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::On(day, _) if *day > 0 => "scheduled",
            Self::On(..) => "published",
        }
    }

    /// The moment, as RFC 3339 in UTC.
    pub fn moment(&self, now: SystemTime) -> Option<String> {
        let Self::On(days, minutes) = self else {
            return None;
        };
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let today = i64::try_from(seconds / 86_400).unwrap_or(0);
        let (year, month, day) = civil(today + days);
        let (hour, minute) = (minutes / 60, minutes % 60);
        Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z"))
    }
}

/// The date of a day counted from 1970-01-01 (Howard Hinnant's algorithm).
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (years + era * 400 + i64::from(month <= 2), month, of_year - (153 * march + 2) / 5 + 1)
}

fn post(file: &str) -> Result<Post, String> {
    let (head, markdown) = file
        .strip_prefix("---\n")
        .and_then(|rest| rest.split_once("\n---\n"))
        .ok_or("the front matter has no end")?;
    let fields: BTreeMap<&str, &str> = head.lines().filter_map(|l| l.split_once(": ")).collect();
    let field = |name| fields.get(name).copied().ok_or(format!("no {name}"));
    Ok(Post {
        slug: field("slug")?.to_owned(),
        title: field("title")?.to_owned(),
        tags: field("tags")?.split(", ").map(str::to_owned).collect(),
        when: when(field("when")?)?,
        markdown: markdown.trim().to_owned(),
    })
}

/// Reads `draft`, `12 days ago, 08:30` or `in 5 days, 08:30`.
fn when(text: &str) -> Result<When, String> {
    if text == "draft" {
        return Ok(When::Draft);
    }
    let wrong = || format!("when: {text}: takes draft, N days ago, HH:MM or in N days, HH:MM");
    let (day, time) = text.split_once(", ").ok_or_else(wrong)?;
    let past = day.strip_suffix(" days ago").map(|n| format!("-{n}"));
    let next = || day.strip_prefix("in ").and_then(|d| d.strip_suffix(" days")).map(str::to_owned);
    let days = past.or_else(next).and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
    let (hour, minute) = time.split_once(':').ok_or_else(wrong)?;
    let number = |n: &str| n.parse::<i64>().map_err(|_| wrong());
    Ok(When::On(days, number(hour)? * 60 + number(minute)?))
}

/// Reads `slug | key | author | parent` and the lines after it; a parent of
/// `-` is none.
fn comment(section: &str) -> Result<Comment, String> {
    let (head, body) = section.split_once('\n').ok_or("a section without a body")?;
    let fields: Vec<&str> = head.split(" | ").collect();
    let [slug, key, author, parent] = fields[..] else {
        return Err(format!("{head}: takes slug | key | author | parent"));
    };
    Ok(Comment {
        slug: slug.to_owned(),
        key: key.to_owned(),
        author: author.to_owned(),
        parent: (parent != "-").then(|| parent.to_owned()),
        body: body.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::seed::photos;

    #[test]
    fn there_are_a_dozen_posts_a_scheduled_one_and_a_draft() {
        let posts = posts().unwrap();
        let count = |status| posts.iter().filter(|post| post.when.status() == status).count();
        assert_eq!((count("published"), count("scheduled"), count("draft")), (12, 1, 1));
        assert!(posts.windows(2).all(|pair| pair[0].slug != pair[1].slug));
    }

    #[test]
    fn each_post_shows_a_picture_and_each_picture_is_shown() {
        let posts = posts().unwrap();
        let shown: BTreeSet<&str> = posts.iter().flat_map(Post::pictures).collect();
        assert!(posts.iter().all(|post| !post.pictures().is_empty()));
        assert!(shown.iter().copied().eq(photos::CATALOGUE.iter().map(|photo| photo.name)));
    }

    #[test]
    fn links_between_posts_lead_to_posts_that_are_published_by_then() {
        let posts = posts().unwrap();
        let seen =
            |slug: &str| posts.iter().any(|p| p.slug == slug && p.when.status() == "published");
        for post in &posts {
            for tail in post.markdown.split("](/posts/").skip(1) {
                let slug = tail.split(')').next().unwrap();
                assert!(seen(slug), "{} links to {slug}", post.slug);
            }
        }
    }

    #[test]
    fn comments_belong_to_published_posts_and_answer_earlier_comments() {
        let posts = posts().unwrap();
        let mut keys = BTreeSet::new();
        for comment in comments().unwrap() {
            let post = posts.iter().find(|post| post.slug == comment.slug);
            assert_eq!(post.map(|post| post.when.status()), Some("published"), "{}", comment.key);
            let parent = comment.parent.iter().all(|parent| keys.contains(parent));
            assert!(parent && !comment.body.is_empty(), "{}", comment.key);
            assert!(keys.insert(comment.key));
        }
    }

    #[test]
    fn names_of_pictures_are_replaced_by_ids() {
        let file =
            "---\nslug: a\ntitle: A: b\ntags: x, y\nwhen: draft\n---\n![s](image:sea) image:sea";
        let post = post(file).unwrap();
        assert_eq!((post.title.as_str(), post.tags.len()), ("A: b", 2));
        let ids = BTreeMap::from([("sea".to_owned(), "42".to_owned())]);
        assert_eq!(post.text(&ids), "![s](image:42) image:sea");
    }

    #[test]
    fn times_are_counted_from_today() {
        let noon = UNIX_EPOCH + Duration::from_secs(1_709_208_000); // 2024-02-29 12:00
        let moment = |text| when(text).unwrap().moment(noon);
        assert_eq!(moment("60 days ago, 08:05").as_deref(), Some("2023-12-31T08:05:00Z"));
        assert_eq!(moment("in 1 days, 00:00").as_deref(), Some("2024-03-01T00:00:00Z"));
        assert_eq!(moment("draft"), None);
        assert!(when("yesterday").is_err());
    }
}
