//! What the stack is doing: a live display on a terminal, plain lines with the time elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Off a terminal, a count is repeated this often at most.
const COUNT_EVERY: Duration = Duration::from_secs(15);
/// On a terminal, the display is drawn this often at most.
const DRAW_EVERY: Duration = Duration::from_millis(60);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Live,
    Plain,
    Quiet,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Working,
    Done,
    Failed,
}

struct Row {
    name: String,
    text: String,
    mark: Mark,
    began: Instant,
    counted: Instant,
}

struct Board {
    rows: Vec<Row>,
    /// How many rows were settled before the first of `rows`.
    settled: usize,
    drawn: usize,
    drawn_at: Option<Instant>,
}

/// The display; clones show on the same one. It writes to standard error.
#[derive(Clone)]
pub struct Progress {
    style: Style,
    board: Arc<Mutex<Board>>,
}

/// One line of the display.
pub struct Task {
    progress: Progress,
    row: usize,
}

impl Progress {
    /// Live on a terminal, plain elsewhere.
    pub fn new() -> Self {
        Self::with(if io::stderr().is_terminal() { Style::Live } else { Style::Plain })
    }

    /// Shows nothing, for tests.
    pub fn quiet() -> Self {
        Self::with(Style::Quiet)
    }

    fn with(style: Style) -> Self {
        let board = Board { rows: Vec::new(), settled: 0, drawn: 0, drawn_at: None };
        Self { style, board: Arc::new(Mutex::new(board)) }
    }

    /// Begins a line.
    pub fn task(&self, name: &str) -> Task {
        let now = Instant::now();
        let row = Row {
            name: name.to_owned(),
            text: String::new(),
            mark: Mark::Working,
            began: now,
            counted: now,
        };
        let row = self.change(|board| {
            board.rows.push(row);
            board.settled + board.rows.len() - 1
        });
        Task { progress: self.clone(), row }
    }

    /// Leaves what is shown as it is; later lines begin below it.
    pub fn settle(&self) {
        self.draw(true);
        self.change(|board| {
            board.settled += board.rows.len();
            board.rows.clear();
            board.drawn = 0;
        });
    }

    /// One line outside of the tasks.
    pub fn note(&self, text: &str) {
        match self.style {
            Style::Live => {
                self.settle();
                write_error(&format!("{text}\n"));
            }
            Style::Plain => write_error(&format!("{} {text}\n", clock())),
            Style::Quiet => {}
        }
    }

    fn change<T>(&self, apply: impl FnOnce(&mut Board) -> T) -> T {
        apply(&mut self.board.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn draw(&self, now: bool) {
        if self.style != Style::Live {
            return;
        }
        let text = self.change(|board| {
            let recent = board.drawn_at.is_some_and(|at| at.elapsed() < DRAW_EVERY);
            if recent && !now {
                return String::new();
            }
            board.drawn_at = Some(Instant::now());
            let text = frame(&board.rows, board.drawn, columns());
            board.drawn = board.rows.len();
            text
        });
        write_error(&text);
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Task {
    /// A new step of the work.
    pub fn say(&self, text: &str) {
        self.update(text, Mark::Working, true);
    }

    /// How far a step is; shown now and then off a terminal.
    pub fn count(&self, text: &str) {
        let due = self.progress.change(|board| {
            let Some(row) = board.row(self.row) else {
                return false;
            };
            let due = row.counted.elapsed() >= COUNT_EVERY;
            if due {
                row.counted = Instant::now();
            }
            due
        });
        self.update(text, Mark::Working, due);
    }

    /// The work is done.
    pub fn done(&self, text: &str) {
        self.update(text, Mark::Done, true);
    }

    /// The work failed.
    pub fn failed(&self, text: &str) {
        self.update(text, Mark::Failed, true);
    }

    fn update(&self, text: &str, mark: Mark, line: bool) {
        let name = self.progress.change(|board| {
            let row = board.row(self.row)?;
            row.mark = mark;
            text.clone_into(&mut row.text);
            Some(row.name.clone())
        });
        let Some(name) = name else { return };
        if self.progress.style == Style::Plain && line {
            let failed = if mark == Mark::Failed { "FAILED: " } else { "" };
            write_error(&format!("{} {name}: {failed}{text}\n", clock()));
        }
        self.progress.draw(mark != Mark::Working);
    }
}

impl Board {
    fn row(&mut self, number: usize) -> Option<&mut Row> {
        self.rows.get_mut(number.checked_sub(self.settled)?)
    }
}

fn frame(rows: &[Row], drawn: usize, columns: usize) -> String {
    let up = if drawn > 0 { format!("\x1b[{drawn}A") } else { String::new() };
    rows.iter().fold(up, |mut text, row| {
        let (colour, mark) = match row.mark {
            Mark::Working => ("36", "…"),
            Mark::Done => ("32", "✓"),
            Mark::Failed => ("31", "✗"),
        };
        let seconds = match row.mark {
            Mark::Working if row.began.elapsed().as_secs() > 1 => {
                format!(" ({} s)", row.began.elapsed().as_secs())
            }
            _ => String::new(),
        };
        let line: String = format!("{:<12} {}{seconds}", row.name, row.text)
            .chars()
            .take(columns.saturating_sub(4))
            .collect();
        text.push_str(&format!("\r\x1b[2K \x1b[{colour}m{mark}\x1b[0m {line}\n"));
        text
    })
}

fn columns() -> usize {
    rustix::termios::tcgetwinsize(io::stderr())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .unwrap_or(80)
}

/// The time of day in UTC, as `12:34:56`.
pub fn clock() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    format!("{:02}:{:02}:{:02}", now / 3600 % 24, now / 60 % 60, now % 60)
}

/// A duration as people say it: `0.4 s`, `12.3 s`, `3 min 20 s`.
pub fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else if seconds < 3600 {
        format!("{} min {} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {} min", seconds / 3600, seconds / 60 % 60)
    }
}

/// A terminal that went away must not end the stack.
fn write_error(text: &str) {
    let _gone = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_goes_back_over_the_last_one() {
        let progress = Progress::quiet();
        let task = progress.task("minio");
        task.done("ready");
        let text = progress.change(|board| frame(&board.rows, 1, 80));
        assert_eq!(text, "\x1b[1A\r\x1b[2K \x1b[32m✓\x1b[0m minio        ready\n");
    }

    #[test]
    fn a_line_is_never_wider_than_the_terminal() {
        let progress = Progress::quiet();
        progress.task("crates").say(&"x".repeat(500));
        let text = progress.change(|board| frame(&board.rows, 0, 40));
        assert_eq!(text.matches('x').count(), 36 - 13);
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(spoken(Duration::from_millis(350)), "0.3 s");
        assert_eq!(spoken(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(spoken(Duration::from_secs(7260)), "2 h 1 min");
    }
}
