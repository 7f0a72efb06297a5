//! What `./site` takes.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use stack::place::{self, Layout};

/// Runs the whole of Hearth on this machine, and tests it.
///
/// Every command ends with 0 when it has done its work, 1 when it failed and 2 when it was
/// used wrongly.
#[derive(Parser)]
#[command(name = "site", bin_name = "./site", after_help = "Example: ./site up")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Start the whole site: servers, web, worker and cron
    Up(UpArgs),
    /// Stop the site in the right order and leave no process behind
    #[command(after_help = "Example: ./site down --dir .two
Ends with 0 also when nothing ran: then there is nothing to stop.")]
    Down(DirArgs),
    /// Show the processes: pid, uptime, restarts, memory, readiness
    Status(StatusArgs),
    /// Show what the processes printed
    Logs(LogsArgs),
    /// Write sample content: posts, photographs, comments
    #[command(after_help = "Example: ./site seed")]
    Seed(DirArgs),
    /// Run a binary of the site with the running site's environment
    Exec(ExecArgs),
    /// Run all tests that CI runs, or one part of them
    Test(PartArgs),
    /// Measure the running site: list the parts, or run one of them
    Bench(BenchArgs),
}

/// Which stack is meant.
#[derive(Args, Clone)]
pub struct DirArgs {
    /// Directory of the site [default: .site in the repository]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl DirArgs {
    /// The stack's files.
    pub fn layout(&self) -> io::Result<Layout> {
        match &self.dir {
            Some(dir) => Layout::new(dir),
            None => Layout::new(&place::root().join(".site")),
        }
    }

    /// How to name this stack in another `./site` command.
    pub fn hint(&self) -> String {
        self.dir
            .as_deref()
            .map_or_else(String::new, |dir: &Path| format!(" --dir {}", dir.display()))
    }
}

/// `./site up`
#[derive(Args)]
#[command(after_help = "Examples:
  ./site up                                  until Ctrl-C, on http://127.0.0.1:8080
  ./site up --detach --port 8081 --dir .two  a second one, in the background
  COMMENTS_MODERATION=all ./site up          variables of the site are taken over")]
pub struct UpArgs {
    /// Which stack.
    #[command(flatten)]
    pub dir: DirArgs,
    /// Port of the site on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Return when the site is ready, and leave it running
    #[arg(long)]
    pub detach: bool,
    /// Take web, worker and cron as they were built last
    #[arg(long)]
    pub no_build: bool,
    /// Be the supervisor that `--detach` starts
    #[arg(long, hide = true)]
    pub supervise: bool,
}

/// `./site status`
#[derive(Args)]
#[command(after_help = "Example: ./site status --json | jq '.processes[] | select(.ready | not)'
Ends with 0 when every process is ready, with 1 when one is not, when none runs, or when
they run without their supervisor.")]
pub struct StatusArgs {
    /// Which stack.
    #[command(flatten)]
    pub dir: DirArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `./site logs`
#[derive(Args)]
#[command(after_help = "Examples:
  ./site logs             the last lines of all
  ./site logs worker -f   of one, as they come")]
pub struct LogsArgs {
    /// web, worker, cron, litestream, nats, minio, offsite, prepare, or site for the
    /// supervisor of `up --detach`
    #[arg(value_parser = ["web", "worker", "cron", "litestream", "nats", "minio", "offsite", "prepare", "site"])]
    pub name: Option<String>,
    /// Go on with new lines as they come
    #[arg(short, long)]
    pub follow: bool,
    /// How many lines of each to begin with
    #[arg(short = 'n', long, default_value_t = 50, allow_hyphen_values = true, value_parser = lines)]
    pub lines: usize,
    /// Which stack.
    #[command(flatten)]
    pub dir: DirArgs,
}

fn lines(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "it takes how many lines, such as 100; 0 or more".to_owned())
}

/// `./site exec`
#[derive(Args)]
#[command(after_help = "Examples:
  ./site exec worker -- jobs list --json
  ./site exec cron -- backup run daily")]
pub struct ExecArgs {
    /// web, worker or cron
    #[arg(value_parser = ["web", "worker", "cron"])]
    pub name: String,
    /// Which stack.
    #[command(flatten)]
    pub dir: DirArgs,
    /// Arguments of the binary; `--` before them is needed when the first begins with `-`
    #[arg(trailing_var_arg = true)]
    pub arguments: Vec<String>,
}

/// `./site test`
#[derive(Args)]
#[command(after_help = "Examples:
  ./site test              all parts, as CI does
  ./site test unit         one part
  ./site test e2e -- live  one part, with arguments for its runner
  ./site test faults -- --rounds 20   the proof of the queue, in full")]
pub struct PartArgs {
    /// Parts to run [default: all]
    #[arg(value_name = "PART", value_parser = crate::test::NAMES)]
    pub parts: Vec<String>,
    /// Arguments for the runner of the parts
    #[arg(last = true)]
    pub arguments: Vec<String>,
}

/// `./site bench`
#[derive(Args)]
#[command(after_help = "Examples:
  ./site bench          lists the parts
  ./site bench memory   runs one; its table is also in bench/results as JSON")]
pub struct BenchArgs {
    /// Part to run, or `all`
    #[arg(value_name = "PART")]
    pub part: Option<String>,
    /// Arguments for the part
    #[arg(last = true)]
    pub arguments: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[track_caller]
    fn check_exec(words: &[&str], expected: &[&str]) {
        let cli = Cli::try_parse_from([&["site", "exec"], words].concat()).unwrap();
        let Command::Exec(args) = cli.command else { panic!("another command") };
        assert_eq!(args.arguments, expected);
        assert_eq!(args.dir.dir.as_deref(), Some(Path::new("d")));
    }

    #[test]
    fn arguments_of_a_binary_need_no_dashes_before_them() {
        let expected = ["admin", "token", "--name", "x"];
        check_exec(&["web", "--dir", "d", "--", "admin", "token", "--name", "x"], &expected);
        check_exec(&["web", "--dir", "d", "admin", "token", "--name", "x"], &expected);
        check_exec(&["--dir", "d", "web", "--", "--version"], &["--version"]);
    }

    #[test]
    fn a_wrong_count_of_lines_is_refused_with_what_it_takes() {
        for count in ["-1", "x"] {
            let error = Cli::try_parse_from(["site", "logs", "-n", count]).err().unwrap();
            assert!(error.to_string().contains("0 or more"), "{error}");
        }
    }
}
