//! When a periodic job is due.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds};
use jiff::SignedDuration;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::time::Instant;

/// When a periodic job is due.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// At each multiple of it since the Unix epoch.
    Every(Duration),
    /// By a clock and a calendar.
    Cron(Cron),
}

/// A cron expression, and whose clock it is read by.
#[derive(Debug, Clone, PartialEq)]
pub struct Cron {
    table: Box<croner::Cron>,
    text: String,
    zone: Tz,
}

impl Cron {
    /// Reads five fields and the name of a time zone; UTC when there is none.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn read(text: &str, zone: Option<&str>) -> Result<Self, String> {
        let zone = zone.unwrap_or("UTC");
        let zone = zone.parse().map_err(|_| {
            format!(
                "{zone:?} is no time zone; it takes a name of the IANA database, such as \
                 Europe/Berlin"
            )
        })?;
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let table = parser.parse(text).map_err(|error| {
            format!(
                "{text:?} is no cron expression ({error}); it takes five fields, minute hour \
                 day month weekday, such as \"0 3 * * *\""
            )
        })?;
        let cron = Self { table: Box::new(table), text: text.to_owned(), zone };
        match cron.after(Instant::now()) {
            Some(_) => Ok(cron),
            None => Err(format!("{text:?} never comes; it takes a time that does")),
        }
    }

    /// The first time after `now`. In the hour that comes twice the table names
    /// times of the first one, which are over: it is asked again, from later on.
    fn after(&self, now: Instant) -> Option<Instant> {
        let mut from = DateTime::from_timestamp_millis(now.millis())?.with_timezone(&self.zone);
        loop {
            let next = self.table.find_next_occurrence(&from, false).ok()?;
            if next.timestamp_millis() > now.millis() {
                return Some(Instant::from_millis(next.timestamp_millis()));
            }
            from += TimeDelta::minutes(1);
        }
    }
}

impl Schedule {
    /// The first time after `now`; none when there is no other in this calendar.
    #[must_use]
    pub fn after(&self, now: Instant) -> Option<Instant> {
        match self {
            Self::Every(every) => Some(following(now, *every)),
            Self::Cron(cron) => cron.after(now),
        }
    }
}

/// The first multiple of `every` after `now`.
fn following(now: Instant, every: Duration) -> Instant {
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
    Instant::from_millis((now.millis() / every + 1).saturating_mul(every))
}

/// As words.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(every) => write!(f, "every {}", words(*every)),
            Self::Cron(Cron { text, zone, .. }) => write!(f, "{text} ({zone})"),
        }
    }
}

fn words(every: Duration) -> String {
    SignedDuration::try_from(every).map_or_else(|_| format!("{every:?}"), |it| format!("{it:#}"))
}

/// With the keys of the file.
impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Every(every) => map.serialize_entry("every", &words(*every))?,
            Self::Cron(Cron { text, zone, .. }) => {
                map.serialize_entry("cron", text)?;
                map.serialize_entry("time_zone", zone.name())?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_is_due_at_the_next_multiple() {
        let at = |now, every| {
            following(Instant::from_millis(now), Duration::from_millis(every)).millis()
        };
        assert_eq!([at(999, 1000), at(1000, 1000), at(1001, 1000)], [1000, 2000, 2000]);
    }

    #[track_caller]
    fn due(text: &str, zone: &str, after: &str, next: &[&str]) {
        let cron = Schedule::Cron(Cron::read(text, Some(zone)).unwrap());
        let mut at = Instant::parse(after).unwrap();
        for next in next {
            at = cron.after(at).unwrap();
            assert_eq!(at, Instant::parse(next).unwrap());
        }
    }

    #[test]
    fn a_clock_is_that_of_its_zone_in_winter_and_in_summer() {
        let winter = ["2026-01-11T02:00:00Z", "2026-01-12T02:00:00Z"];
        due("0 3 * * *", "Europe/Berlin", "2026-01-10T12:00:00Z", &winter);
        due("0 3 * * *", "Europe/Berlin", "2026-07-10T12:00:00Z", &["2026-07-11T01:00:00Z"]);
        due("0 3 * * *", "UTC", "2026-07-10T12:00:00Z", &["2026-07-11T03:00:00Z"]);
        due("0 6 * * MON", "UTC", "2026-11-21T12:00:00Z", &["2026-11-23T06:00:00Z"]);
    }

    #[test]
    fn an_hour_that_is_left_out_moves_a_job_and_one_that_comes_twice_runs_it_once() {
        let spring = ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
        due("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &spring);
        let autumn = ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
        due("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", &autumn);
        let twice = ["2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"];
        due("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:10:00Z", &twice);
        due("*/30 * * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", &twice[1..]);
        due("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", &autumn[1..]);
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_would_be_right() {
        let refused = |text: &str, zone: &str, part: &str| {
            let error = Cron::read(text, Some(zone)).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        refused("0 3 * *", "UTC", "five fields");
        refused("0 0 3 * * *", "UTC", "five fields");
        refused("61 3 * * *", "UTC", "0 3 * * *");
        refused("0 3 * * *", "Berlin", "Europe/Berlin");
        refused("0 0 31 2 *", "UTC", "never comes");
    }
}
