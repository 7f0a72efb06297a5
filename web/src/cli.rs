//! The command line.

use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use shared::subject::Pattern;

use crate::hub::policy;

/// The pages, the API and the live updates of Hearth.
#[derive(Debug, Parser)]
#[command(
    name = "web",
    version,
    after_help = "Example: web serve\n\n\
                  It is configured by the environment (SITE_URL, SITE_DATA_DIR, NATS_URL, S3_…); \
                  `./site exec web -- ARGS` runs it with that of the running site.\n\
                  Exit status: 0 done, 1 failed, 2 used wrongly."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print JSON, for scripts.
    #[arg(long, global = true)]
    pub json: bool,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the site, until SIGTERM.
    #[command(after_help = "Examples:\n  SITE_HTTP_ADDR=127.0.0.1:8080 web serve\n  \
                            NATS_URL=nats://10.0.0.2:4222 web serve --role live\n\
                            `cron prepare` makes the databases that the role `all` needs. The \
                            role `live` is an edge: it needs NATS_URL alone.")]
    Serve {
        /// What this process does.
        #[arg(long, value_enum, default_value_t)]
        role: Role,
    },
    /// Let the admin in.
    #[command(subcommand, after_help = "Example: web admin signin-link")]
    Admin(Admin),
}

/// What a process of `web` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Role {
    /// The whole site.
    #[default]
    All,
    /// `/events` alone, from NATS: more places for those who watch, on this machine or another.
    Live,
}

/// What lets the admin in.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Print a link that signs the admin in, once, within a day.
    #[command(after_help = "Examples:\n  web admin signin-link\n  web admin signin-link --json")]
    SigninLink,
    /// Print a new token for the API, shown this once; or list or revoke those there are.
    #[command(
        after_help = "Examples:\n  web admin token\n  web admin token --name 'my laptop'\n  \
                            web admin token --name kiosk --watch 'comments.*' --watch \
                            metrics.views --expires 30d\n  \
                            web admin token --list\n  web admin token --revoke 'my laptop'"
    )]
    Token {
        /// What the new token is for.
        #[arg(long, default_value = "token", value_parser = token_name)]
        name: String,
        /// Let the new token watch these topics at /events, and nothing else; `*` is any one word.
        #[arg(long, value_name = "TOPIC", value_parser = watched)]
        watch: Vec<Pattern>,
        /// For how long the new token is good, such as 12h or 30d; without it until it is revoked.
        #[arg(long, value_name = "TIME", value_parser = life)]
        expires: Option<Duration>,
        /// List the tokens: id, when it was made, name, what it may watch, when its time is over.
        #[arg(long, conflicts_with_all = ["name", "watch", "expires", "revoke"])]
        list: bool,
        /// Revoke every token of this name, or the one of this id.
        #[arg(long, value_name = "NAME|ID", conflicts_with_all = ["name", "watch", "expires"])]
        revoke: Option<String>,
    },
}

/// Longest name of a token, in characters.
const TOKEN_NAME_MAX: usize = 60;

fn token_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    let fits = (1..=TOKEN_NAME_MAX).contains(&name.chars().count());
    if fits && !name.chars().any(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err(format!("it takes 1 to {TOKEN_NAME_MAX} characters, none of them a control character"))
    }
}

fn watched(text: &str) -> Result<Pattern, String> {
    let pattern: Pattern = text.parse().map_err(|error| format!("{error}"))?;
    policy::watchable(&pattern).map(|()| pattern)
}

/// Hours of a token's life at most: ten years.
const LIFE_MAX: u64 = 10 * 365 * 24;

fn life(text: &str) -> Result<Duration, String> {
    let hours = match (text.strip_suffix('d'), text.strip_suffix('h')) {
        (Some(days), _) => days.parse::<u64>().ok().and_then(|days| days.checked_mul(24)),
        (_, Some(hours)) => hours.parse().ok(),
        _ => None,
    };
    let hours = hours.filter(|hours| (1..=LIFE_MAX).contains(hours));
    let takes = "it takes hours or days, such as 12h or 30d, 3650d at most";
    hours.map(|hours| Duration::from_secs(hours * 3600)).ok_or_else(|| takes.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_are_sound() {
        Cli::command().debug_assert();
        assert!(Cli::try_parse_from(["web", "admin", "token"]).is_ok());
        assert!(Cli::try_parse_from(["web", "admin", "signin-link", "--json"]).is_ok());
        let wrong: [&[&str]; 4] = [
            &["--list", "--revoke", "a"],
            &["--list", "--name", "a"],
            &["--list", "--watch", "comments.*"],
            &["--revoke", "a", "--expires", "1d"],
        ];
        for wrong in wrong {
            let line = ["web", "admin", "token"].into_iter().chain(wrong.iter().copied());
            assert!(Cli::try_parse_from(line).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn a_token_watches_topics_that_there_are_and_for_a_time() {
        for good in ["comments.*", "comments.hello", "metrics.views", "alerts.*", "jobs.images"] {
            assert_eq!(watched(good).unwrap().to_string(), good);
        }
        for bad in ["comments", "nothing.*", "comments.>", "users.*", "*.*.*.*"] {
            assert!(watched(bad).is_err(), "{bad:?} was taken");
        }
        assert!(watched("nothing").unwrap_err().contains("comments.*"));
        assert_eq!(life("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(life("12h"), Ok(Duration::from_secs(12 * 3600)));
        for bad in ["", "d", "30", "0h", "-1d", "3651d", "1.5d", "99999999999999999999d"] {
            assert!(life(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_token_has_a_name_of_bounded_length_on_one_line() {
        let long = "ä".repeat(60);
        for good in ["a", " my laptop ", &long] {
            assert_eq!(token_name(good).unwrap(), good.trim());
        }
        for bad in ["", " ", "a\nb", "\u{1b}[2J", &"a".repeat(61)] {
            assert!(token_name(bad).is_err(), "{bad:?} was taken");
        }
    }
}
