//! A process that is told by lines and answers in lines.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;

/// What takes longer than this does not come any more.
const WITHIN: Duration = Duration::from_secs(300);

/// A process; it ends with this value.
pub struct Program {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Program {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// Why it is not.
    pub fn start(command: &mut Command) -> Result<Self, String> {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| format!("{command:?} does not start: {error}"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err("a child has no pipes".to_owned());
        };
        let (sender, lines) = channel();
        thread::spawn(move || {
            let read = BufReader::new(stdout).lines().map_while(Result::ok);
            read.map_while(|line| sender.send(line).ok()).for_each(drop);
        });
        let program = Self { child, stdin, lines };
        program.hear("ready")?;
        Ok(program)
    }

    pub fn pid(&self) -> u64 {
        u64::from(self.child.id())
    }

    /// Tells it something.
    ///
    /// # Errors
    /// When it is gone.
    pub fn say(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.stdin, "{line}").map_err(|error| format!("it was not told {line}: {error}"))
    }

    /// Waits for `WORD [NANOSECONDS]` and gives the number.
    ///
    /// # Errors
    /// When it says something else, or nothing.
    pub fn hear(&self, word: &str) -> Result<u64, String> {
        let line = self.line(word)?;
        let (said, number) = line.split_once(' ').unwrap_or((&line, "0"));
        match number.parse() {
            Ok(number) if said == word => Ok(number),
            _ => Err(format!("it said {line:?} and not {word}")),
        }
    }

    /// Waits for its answer to what it was told.
    ///
    /// # Errors
    /// When it says something else, or nothing.
    pub fn answer<T: DeserializeOwned>(&self) -> Result<T, String> {
        let line = self.line("anything")?;
        serde_json::from_str(&line).map_err(|error| format!("it said {line:?}: {error}"))
    }

    fn line(&self, awaited: &str) -> Result<String, String> {
        let line = self.lines.recv_timeout(WITHIN);
        line.map_err(|error| format!("it never said {awaited}: {error}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Nanoseconds of the clock that all processes of the machine share.
pub fn now() -> u64 {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(at.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(at.tv_nsec).unwrap_or(0)
}
