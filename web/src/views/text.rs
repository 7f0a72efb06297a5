//! How times, sizes and address parts are written.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// A moment, shown in UTC; the browser rewrites it in the reader's own zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct When(pub Timestamp);

impl When {
    /// From Unix milliseconds, as SQLite keeps them. A value outside the range
    /// of the calendar becomes its nearest end.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        let end = if millis < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Self(Timestamp::from_millisecond(millis).unwrap_or(end))
    }

    /// For `datetime` attributes and feeds: `2026-11-21T03:35:30Z`.
    #[must_use]
    pub fn iso(&self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// For reading: `21 November 2026`.
    #[must_use]
    pub fn day(&self) -> String {
        self.0.strftime("%-d %B %Y").to_string()
    }

    /// For lists of operations: `21 Nov 2026, 03:35 UTC`.
    #[must_use]
    pub fn minute(&self) -> String {
        self.0.strftime("%-d %b %Y, %H:%M UTC").to_string()
    }

    /// To the second, for jobs: `21 Nov 2026, 03:35:30 UTC`.
    #[must_use]
    pub fn second(&self) -> String {
        self.0.strftime("%-d %b %Y, %H:%M:%S UTC").to_string()
    }

    /// To the millisecond, for traces: `03:35:30.125`.
    #[must_use]
    pub fn clock(&self) -> String {
        self.0.strftime("%H:%M:%S%.3f").to_string()
    }

    /// The value of an `<input type="datetime-local">`, in UTC.
    #[must_use]
    pub fn input(&self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M").to_string()
    }

    /// How long from this moment to `end`: `820 ms`, `4.2 s`, `3 min 20 s`.
    #[must_use]
    pub fn until(&self, end: &Self) -> String {
        span(end.0.duration_since(self.0))
    }
}

impl From<Timestamp> for When {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

/// A length of time in at most two units.
#[must_use]
pub fn span(length: SignedDuration) -> String {
    let millis = length.as_millis().max(0);
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{}.{} s", seconds, millis % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A number of bytes, written in decimal units with at most one decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let mut tenths = u128::from(self.0) * 10 / 1000;
        let mut unit = 0;
        while tenths >= 10_000 && unit + 1 < UNITS.len() {
            tenths /= 1000;
            unit += 1;
        }
        match tenths % 10 {
            0 => write!(f, "{} {}", tenths / 10, UNITS[unit]),
            tenth => write!(f, "{}.{tenth} {}", tenths / 10, UNITS[unit]),
        }
    }
}

/// `text` as the value of a query parameter.
#[must_use]
pub fn query_value(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// `text` as one segment of a path.
#[must_use]
pub fn path_segment(text: &str) -> String {
    query_value(text).replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_machines_and_for_readers() {
        let when = When::from_millis(1_795_232_130_125);
        assert_eq!(when.iso(), "2026-11-21T03:35:30Z");
        assert_eq!(when.day(), "21 November 2026");
        assert_eq!(when.minute(), "21 Nov 2026, 03:35 UTC");
        assert_eq!(when.clock(), "03:35:30.125");
        assert_eq!(when.input(), "2026-11-21T03:35");
    }

    #[test]
    fn a_time_out_of_range_does_not_panic() {
        assert_eq!(When::from_millis(i64::MAX).0, Timestamp::MAX);
        assert_eq!(When::from_millis(i64::MIN).0, Timestamp::MIN);
    }

    #[test]
    fn lengths_use_the_units_that_fit() {
        let shown = |millis| span(SignedDuration::from_millis(millis));
        assert_eq!(shown(-5), "0 ms");
        assert_eq!(shown(820), "820 ms");
        assert_eq!(shown(4_250), "4.2 s");
        assert_eq!(shown(200_000), "3 min 20 s");
        assert_eq!(shown(7_260_000), "2 h 1 min");
        assert_eq!(shown(90_000_000), "1 d 1 h");
    }

    #[test]
    fn sizes_use_the_units_that_fit() {
        assert_eq!(Bytes(0).to_string(), "0 B");
        assert_eq!(Bytes(999).to_string(), "999 B");
        assert_eq!(Bytes(1500).to_string(), "1.5 kB");
        assert_eq!(Bytes(1_000_000).to_string(), "1 MB");
        assert_eq!(Bytes(u64::MAX).to_string(), "18446744 TB");
    }

    #[test]
    fn address_parts_are_escaped() {
        assert_eq!(path_segment("a b/c?d"), "a%20b%2Fc%3Fd");
        assert_eq!(query_value("a b&c"), "a+b%26c");
    }
}
