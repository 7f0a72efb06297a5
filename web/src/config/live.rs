//! Those who watch: how many there may be, what they may ask for, and from
//! which pages.

use std::time::Duration;

use shared::config::Env;
use shared::subject::TOPIC_MAX;
use url::Url;

/// How many connections there may be, and when the others come back.
#[derive(Debug, Clone, Copy)]
pub struct Connections {
    /// Connections for requests, in all.
    pub http: usize,
    /// Of these, for one address that is no trusted proxy.
    pub http_each: u32,
    /// Connections that watch, in all.
    pub live: usize,
    /// Of these, for one address of a visitor.
    pub live_each: u32,
    /// At a shutdown, those who watch come back within this time.
    pub spread: Duration,
}

impl Connections {
    pub(super) fn read(env: &mut Env) -> Self {
        let count = "a number of connections, such as 4096";
        let seconds = "a number of seconds, such as 3";
        Self {
            http: env.with_default("HTTP_CONNECTIONS", count, 4096),
            http_each: env.with_default("HTTP_CONNECTIONS_PER_ADDRESS", count, 256),
            live: env.with_default("LIVE_CONNECTIONS", count, 20_000),
            live_each: env.with_default("LIVE_CONNECTIONS_PER_ADDRESS", count, 100),
            spread: Duration::from_secs(env.with_default("LIVE_RETURN_SECONDS", seconds, 3)),
        }
    }
}

/// What a client of `/events` may ask for.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Topics of one connection at most.
    pub topics: usize,
    /// Bytes of one topic at most.
    pub topic_bytes: usize,
    /// Pages of which other sites may watch.
    pub origins: Origins,
}

/// Topics that a connection can be allowed at most.
const TOPICS_MAX: usize = 1024;

impl Rules {
    pub(super) fn read(env: &mut Env) -> Self {
        Self {
            topics: bounded(env, "LIVE_TOPICS", 64, TOPICS_MAX),
            topic_bytes: bounded(env, "LIVE_TOPIC_BYTES", TOPIC_MAX, TOPIC_MAX),
            origins: Origins::read(env),
        }
    }
}

fn bounded(env: &mut Env, name: &str, default: usize, most: usize) -> usize {
    let takes = format!("a number from 1 to {most}, such as {default}");
    let value = env.with_default(name, &takes, default);
    if !(1..=most).contains(&value) {
        env.mistake(name, format!("got {value}; it takes {takes}"));
    }
    value
}

/// Other sites whose pages may watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Those of every site.
    Any,
    /// Those of these alone; of none, when there are none.
    These(Vec<String>),
}

impl Origins {
    fn read(env: &mut Env) -> Self {
        const NAME: &str = "LIVE_ORIGINS";
        let raw = env.raw(NAME).unwrap_or_default();
        if raw.trim() == "*" {
            return Self::Any;
        }
        let mut origins = Vec::new();
        for part in raw.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match origin(part) {
                Some(origin) => origins.push(origin),
                None => {
                    let takes = "*, or origins separated by commas: https://a.example";
                    env.mistake(NAME, format!("got {part:?}; it takes {takes}"));
                }
            }
        }
        Self::These(origins)
    }
}

/// An origin as browsers name it.
fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let known = matches!(url.scheme(), "http" | "https") && url.username().is_empty();
    (bare && known).then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Rules, String> {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut env = Env::new(vars);
        let rules = Rules::read(&mut env);
        env.finish(rules).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn origins_are_none_or_a_list_or_all() {
        let origins = |text: &str| read(&[("LIVE_ORIGINS", text)]).unwrap().origins;
        assert_eq!(origins(""), Origins::These(Vec::new()));
        assert_eq!(origins("*"), Origins::Any);
        let two = ["https://a.example", "http://localhost:3000"].map(str::to_owned);
        let listed = "https://A.example/, http://localhost:3000";
        assert_eq!(origins(listed), Origins::These(two.to_vec()));
        for wrong in ["a.example", "https://a.example/path", "https://a.example, *", "null"] {
            assert!(read(&[("LIVE_ORIGINS", wrong)]).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn limits_are_bounded_and_a_mistake_names_the_bounds() {
        let rules = read(&[("LIVE_TOPICS", "3"), ("LIVE_TOPIC_BYTES", "40")]).unwrap();
        assert_eq!((rules.topics, rules.topic_bytes), (3, 40));
        let wrong = read(&[("LIVE_TOPICS", "0"), ("LIVE_TOPIC_BYTES", "201")]).unwrap_err();
        assert!(wrong.contains("LIVE_TOPICS: got 0; it takes a number from 1 to 1024"), "{wrong}");
        assert!(wrong.contains("LIVE_TOPIC_BYTES: got 201"), "{wrong}");
    }
}
