//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use shared::db::backups::Tier;
use shared::time::Instant;

use crate::restore::From;

/// Scheduled cleanup, backups and restore drills of Hearth.
#[derive(Debug, Parser)]
#[command(
    name = "cron",
    version,
    after_help = "Example: cron backup run daily\n\n\
                  It is configured by the environment (SITE_DATA_DIR, S3_…, OFFSITE_…); \
                  `./site exec cron -- ARGS` runs it with that of the running site.\n\
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
    /// Run the tasks when they are due, until SIGTERM.
    #[command(after_help = "Example: litestream replicate -config litestream.yml -exec 'cron run'")]
    Run,
    /// Make databases, buckets and streams; restore data.db if only its replica is left.
    #[command(
        after_help = "Example: cron prepare\nRun it before web, worker and litestream start. \
                            A second run changes nothing."
    )]
    Prepare,
    /// Copy to the off-site tiers, or list the copies made.
    #[command(subcommand)]
    Backup(Backup),
    /// Restore the database from a backup into an empty directory.
    #[command(
        after_help = "Examples:\n  cron restore --from daily --to /tmp/restored --objects\n  \
                            cron restore --from live --to /tmp/then --at 2026-11-21T08:00:00Z"
    )]
    Restore(Restore),
    /// Restore a backup to nowhere and check what came of it.
    #[command(after_help = "Examples:\n  cron drill\n  cron drill 1-week\n\
                            Without a name: the live replica, and every tier that holds a copy.")]
    Drill {
        /// live, daily, 1-week or 2-week.
        from: Option<From>,
    },
    /// Show what is due, what ran, and what the tiers hold.
    #[command(after_help = "Example: cron status --json")]
    Status,
}

/// What to do with the tiers.
#[derive(Debug, Subcommand)]
pub enum Backup {
    /// Copy what is new to a tier, and prove the copy by a restore drill.
    #[command(
        after_help = "The tiers are a chain: daily copies the site, 1-week copies what daily \
                      holds, and 2-week what 1-week holds. So an older tier holds the site of an \
                      earlier date, which is printed.\n\n\
                      Examples:\n  cron backup run daily\n  cron backup run 1-week --dry-run"
    )]
    Run {
        /// daily, 1-week or 2-week.
        tier: Tier,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Copy even when less than half is left of what the tier holds.
        #[arg(long)]
        force: bool,
    },
    /// List the last runs.
    #[command(after_help = "Example: cron backup list --json")]
    List {
        /// Only those of this tier.
        tier: Option<Tier>,
    },
}

/// What to restore.
#[derive(Debug, Parser)]
pub struct Restore {
    /// live (the replica on this box), daily, 1-week or 2-week.
    #[arg(long)]
    pub from: From,
    /// An empty or new directory.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// As it was at this time, such as 2026-11-21T08:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub at: Option<Instant>,
    /// The images and exports too, into DIR/public and DIR/private.
    #[arg(long)]
    pub objects: bool,
    /// A tier's images and exports back into the site's buckets, where they are missing.
    #[arg(long)]
    pub put_back: bool,
}

fn moment(text: &str) -> Result<Instant, String> {
    Instant::parse(text).map_err(|_| "a time looks like 2026-11-21T08:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_every_command_has_an_example() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands_mut() {
            let help = sub.render_help().to_string();
            let name = sub.get_name();
            assert!(help.contains("Example") || name == "backup" || name == "help", "{name}");
        }
    }

    #[test]
    fn wrong_words_are_refused() {
        for args in [
            &["cron", "backup", "run", "weekly"][..],
            &["cron", "restore", "--from", "daily"],
            &["cron", "restore", "--from", "live", "--to", "x", "--at", "yesterday"],
            &["cron"],
        ] {
            assert!(Cli::try_parse_from(args).is_err(), "{args:?}");
        }
    }
}
