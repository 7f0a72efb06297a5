//! The configuration that the caller gives, checked before anything starts.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::process::{Command, Stdio};

use crate::environment::{self, Addresses, Variables};
use crate::place::{self, Layout};
use crate::ports::local;
use crate::records::Secrets;

/// What reads all of the configuration of each binary.
const READERS: [(&str, &str); 3] = [("web", "serve"), ("worker", "run"), ("cron", "prepare")];
/// The variable that is made wrong for the check: it is the stack's alone.
const OURS: &str = "SITE_OPS_ADDR";

/// Every mistake in the configuration: what is wrong, and which binaries say so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wrong(BTreeMap<String, Vec<&'static str>>);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration cannot be used; nothing was started:")?;
        for (mistake, readers) in &self.0 {
            write!(f, "\n  {mistake} ({})", readers.join(", "))?;
        }
        Ok(())
    }
}

/// The mistakes that `web`, `worker` and `cron` find in what the caller has set; none when
/// there is none.
///
/// Each binary reads its whole configuration before it opens anything, and names all
/// mistakes. So each is started with one mistake of ours, with which it can do nothing but
/// that.
///
/// # Errors
/// When a binary cannot be run.
pub fn check(layout: &Layout, web_port: u16) -> io::Result<Option<Wrong>> {
    let variables = variables(layout, web_port);
    let mut wrong = Wrong::default();
    for (program, command) in READERS {
        let path = place::release_dir()?.join(program);
        let mut reader = Command::new(&path);
        environment::apply(&mut reader, &variables);
        let output = reader.arg(command).stdin(Stdio::null()).output();
        let output = output.map_err(|source| cannot_run(&path, &source))?;
        for mistake in mistakes(&String::from_utf8_lossy(&output.stderr)) {
            wrong.0.entry(mistake).or_default().push(program);
        }
    }
    Ok((!wrong.0.is_empty()).then_some(wrong))
}

fn cannot_run(path: &std::path::Path, source: &io::Error) -> io::Error {
    io::Error::new(source.kind(), format!("cannot run {}: {source}", path.display()))
}

/// What the binaries will get, but for the addresses and secrets, which are the stack's.
fn variables(layout: &Layout, web_port: u16) -> Variables {
    let any = local(0);
    let addresses = Addresses {
        web: local(web_port),
        web_ops: any,
        worker_ops: any,
        cron_ops: any,
        nats: any,
        nats_monitor: any,
        minio: any,
        offsite: any,
        litestream: any,
    };
    let secrets = Secrets { minio: "-".into(), offsite: "-".into(), admin_token: None };
    let mut variables = environment::compose(layout, &addresses, &secrets, environment::caller);
    variables.insert(OURS.into(), "checked before the start".into());
    variables
}

/// The mistakes in what a binary printed: a line each, indented by two spaces.
fn mistakes(text: &str) -> Vec<String> {
    let lines =
        text.lines().skip_while(|line| !line.ends_with("the configuration cannot be used:"));
    let told = lines.skip(1).filter_map(|line| line.strip_prefix("  "));
    told.filter(|mistake| !mistake.starts_with(OURS)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_but_ours_are_found_in_what_a_binary_says() {
        let text = "web: the configuration cannot be used:\n  \
                    SITE_OPS_ADDR: got \"checked before the start\"; it takes an address\n  \
                    SITE_URL: got \"nonsense\"; it takes an address\n  MAIL_FROM: got \"x\"\n";
        assert_eq!(
            mistakes(text),
            ["SITE_URL: got \"nonsense\"; it takes an address", "MAIL_FROM: got \"x\""]
        );
        assert!(mistakes("web: something else\n  SITE_URL: no").is_empty());
    }

    #[test]
    fn a_mistake_is_told_once_with_the_binaries_that_take_it() {
        let told =
            Wrong(BTreeMap::from([("SITE_URL: got \"x\"".to_owned(), vec!["web", "worker"])]));
        assert_eq!(
            told.to_string(),
            "the configuration cannot be used; nothing was started:\n  SITE_URL: got \"x\" (web, worker)"
        );
    }
}
