//! How the commands say times and sizes.

use std::fmt;

use shared::time::Instant;

/// A moment as people read it, with its time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(Instant);

impl From<Instant> for Moment {
    fn from(at: Instant) -> Self {
        Self(at)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.format("%Y-%m-%d %H:%M:%S UTC"))
    }
}

/// The moment, or a dash where there is none.
#[must_use]
pub fn moment(at: Option<Instant>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| Moment(at).to_string())
}

/// A size in decimal units.
#[must_use]
pub fn size(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1000.0 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_units_that_fit() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_500), "1.5 kB");
        assert_eq!(size(12_345_678), "12.3 MB");
    }

    #[test]
    fn a_moment_names_its_time_zone() {
        let at = Instant::from_millis(1_795_000_000_123);
        assert_eq!(moment(Some(at)), "2026-11-18 11:06:40 UTC");
        assert_eq!((moment(None), format!("{:<25}|", Moment(at))).1, "2026-11-18 11:06:40 UTC  |");
    }
}
