//! The command line.

use clap::{Parser, Subcommand};

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
    #[command(after_help = "Example: SITE_HTTP_ADDR=127.0.0.1:8080 web serve\n\
                            `cron prepare` makes the databases that it needs.")]
    Serve,
    /// Let the admin in.
    #[command(subcommand, after_help = "Example: web admin signin-link")]
    Admin(Admin),
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
                            web admin token --list\n  web admin token --revoke 'my laptop'"
    )]
    Token {
        /// What the new token is for.
        #[arg(long, default_value = "token", value_parser = token_name)]
        name: String,
        /// List the tokens: id, when it was made, name.
        #[arg(long, conflicts_with_all = ["name", "revoke"])]
        list: bool,
        /// Revoke every token of this name, or the one of this id.
        #[arg(long, value_name = "NAME|ID", conflicts_with = "name")]
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_are_sound() {
        Cli::command().debug_assert();
        assert!(Cli::try_parse_from(["web", "admin", "token"]).is_ok());
        assert!(Cli::try_parse_from(["web", "admin", "signin-link", "--json"]).is_ok());
        for wrong in [&["--list", "--revoke", "a"][..], &["--list", "--name", "a"]] {
            let line = ["web", "admin", "token"].into_iter().chain(wrong.iter().copied());
            assert!(Cli::try_parse_from(line).is_err(), "{wrong:?} was taken");
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
