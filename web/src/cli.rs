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
    /// Print a new token for the API; it is shown this once.
    #[command(after_help = "Example: web admin token --name 'my laptop'")]
    Token {
        /// What the token is for.
        #[arg(long)]
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_are_sound() {
        Cli::command().debug_assert();
        assert!(Cli::try_parse_from(["web", "admin", "token"]).is_err());
        assert!(Cli::try_parse_from(["web", "admin", "signin-link", "--json"]).is_ok());
    }
}
