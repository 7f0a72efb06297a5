use super::*;

const FROM: &str = "https://blog.example/feeds/all";

#[track_caller]
fn check(body: &str, title: &str, entries: &[(&str, &str, Option<&str>)]) {
    let feed = read(body.as_bytes(), &FROM.parse().unwrap()).unwrap();
    let found: Vec<(String, String, Option<Instant>)> = feed
        .entries
        .into_iter()
        .map(|entry| (entry.title, entry.url, entry.published_at))
        .collect();
    let expected: Vec<(String, String, Option<Instant>)> = entries
        .iter()
        .map(|(title, url, at)| {
            let at = at.map(|at| Instant::parse(at).unwrap());
            ((*title).to_owned(), (*url).to_owned(), at)
        })
        .collect();
    assert_eq!((feed.title.as_str(), found), (title, expected));
}

#[test]
fn atom_is_read_with_its_kinds_of_titles() {
    check(
        r#"<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">
  <title type="text">Notes on Vec&lt;T&gt;</title>
  <link rel="self" href="https://blog.example/feeds/all"/>
  <link href="https://blog.example/"/>
  <id>tag:blog.example,2026:feed</id>
  <updated>2026-11-20T10:00:00Z</updated>
  <entry>
    <title type="html">&lt;b&gt;Fast &amp;amp; small&lt;/b&gt; &lt;script&gt;x&lt;/script&gt;</title>
    <link rel="enclosure" href="https://cdn.example/a.mp3"/>
    <link rel="alternate" type="text/html" href="/2026/fast"/>
    <id>tag:blog.example,2026:2</id>
    <published>2026-11-19T09:00:00+01:00</published>
    <updated>2026-11-20T10:00:00Z</updated>
  </entry>
  <entry>
    <title>Older,
      on two lines</title>
    <link href="https://blog.example/2026/older"/>
    <id>tag:blog.example,2026:1</id>
    <updated>2026-11-01T00:00:00Z</updated>
  </entry>
</feed>"#,
        "Notes on Vec<T>",
        &[
            ("Fast & small x", "https://blog.example/2026/fast", Some("2026-11-19T08:00:00Z")),
            (
                "Older, on two lines",
                "https://blog.example/2026/older",
                Some("2026-11-01T00:00:00Z"),
            ),
        ],
    );
}

#[test]
fn rss_is_read_newest_first() {
    check(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel>
  <title><![CDATA[The Daily Ember]]></title>
  <link>https://ember.example</link>
  <description>Fires.</description>
  <lastBuildDate>Sat, 21 Nov 2026 06:00:00 +0000</lastBuildDate>
  <atom:link href="https://ember.example/rss" rel="self" type="application/rss+xml"/>
  <item>
    <title>Yesterday&#8217;s ash</title>
    <link>https://ember.example/ash</link>
    <guid isPermaLink="false">ember-1</guid>
    <pubDate>Fri, 20 Nov 2026 08:30:00 GMT</pubDate>
    <dc:creator>Ada</dc:creator>
  </item>
  <item>
    <title>Today&#8217;s flame</title>
    <link>https://ember.example/flame</link>
    <guid>https://ember.example/flame</guid>
    <pubDate>Sat, 21 Nov 2026 05:30:00 GMT</pubDate>
    <description><![CDATA[<p>It burns.</p>]]></description>
  </item>
</channel>
</rss>"#,
        "The Daily Ember",
        &[
            ("Today’s flame", "https://ember.example/flame", Some("2026-11-21T05:30:00Z")),
            ("Yesterday’s ash", "https://ember.example/ash", Some("2026-11-20T08:30:00Z")),
        ],
    );
}

#[test]
fn json_feed_is_read() {
    check(
        r#"{
  "version": "https://jsonfeed.org/version/1.1",
  "title": "A JSON blog",
  "home_page_url": "https://json.example/",
  "items": [
    {"id": "2", "url": "https://json.example/2", "title": "Second",
     "content_html": "<p>Hi</p>", "date_published": "2026-11-20T08:00:00-05:00"},
    {"id": "1", "url": "https://json.example/1", "content_text": "No title"}
  ]
}"#,
        "A JSON blog",
        &[
            ("Second", "https://json.example/2", Some("2026-11-20T13:00:00Z")),
            ("https://json.example/1", "https://json.example/1", None),
        ],
    );
}

fn rss(items: &str) -> String {
    format!(r#"<rss version="2.0"><channel><title></title>{items}</channel></rss>"#)
}

#[test]
fn entries_that_lead_elsewhere_than_to_the_web_are_left_out() {
    let links = ["javascript:alert(1)", "data:text/html,x", "ftp://a.example/", "//u:p@b.example/"];
    let items: String = links
        .iter()
        .map(|link| format!("<item><title>t</title><link>{link}</link></item>"))
        .collect();
    let items =
        items + "<item><title>none</title></item><item><title>good</title><link>/g</link></item>";
    check(&rss(&items), "blog.example", &[("good", "https://blog.example/g", None)]);
}

#[test]
fn a_title_is_one_line_without_controls_and_of_bounded_length() {
    let title = format!("a\u{202e}b\u{7}c {}", "long ".repeat(100));
    let body = rss(&format!("<item><title>{title}</title><link>https://a.example/</link></item>"));
    let feed = read(body.as_bytes(), &FROM.parse().unwrap()).unwrap();
    let title = &feed.entries[0].title;
    assert!(title.starts_with("abc long") && title.ends_with('…'), "{title}");
    assert!(title.chars().count() <= TITLE_MAX + 1, "{title}");
}

#[test]
fn only_the_newest_entries_are_kept() {
    let item = |day: usize| {
        format!(
            "<item><title>{day}</title><link>https://a.example/{day}</link>\
             <pubDate>{day:02} Oct 2026 00:00:00 GMT</pubDate></item>"
        )
    };
    let body = rss(&(1..=28).map(item).collect::<String>());
    let feed = read(body.as_bytes(), &FROM.parse().unwrap()).unwrap();
    assert_eq!(feed.entries.len(), ENTRIES);
    assert_eq!((feed.entries[0].title.as_str(), feed.entries[19].title.as_str()), ("28", "9"));
}

#[test]
fn what_is_no_feed_is_refused() {
    for body in ["", "<html><body>Not found</body></html>", "{\"error\": 1}", "<rss", "\u{0}"] {
        let error = read(body.as_bytes(), &FROM.parse().unwrap()).unwrap_err();
        assert!(error.contains("no feed"), "{error}");
    }
}

#[test]
fn entities_do_not_grow() {
    let body = r#"<!DOCTYPE f [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
        <rss version="2.0"><channel><title>&b;</title></channel></rss>"#;
    let feed = read(body.as_bytes(), &FROM.parse().unwrap());
    assert!(feed.map_or(0, |feed| feed.title.len()) < 100);
}
