//! Refuses to copy what looks like loss.

use shared::db::backups::snapshot::Facts;

use super::{Area, Entry, Error, Manifest};

/// Fewer than this may come and go without question.
const FEW: u64 = 10;

/// What is compared between two copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    public: u64,
    private: u64,
    posts: u64,
    comments: u64,
}

impl Counts {
    fn new(areas: impl Iterator<Item = Area> + Clone, facts: &Facts) -> Self {
        let count = |area| areas.clone().filter(|found| *found == area).count() as u64;
        let rows = |count: i64| u64::try_from(count).unwrap_or(0);
        Self {
            public: count(Area::Public),
            private: count(Area::Private),
            posts: rows(facts.posts),
            comments: rows(facts.comments),
        }
    }
}

/// Fails when less than half is left, of objects or rows, of what the tier
/// holds: a copy would put the loss into the backup.
///
/// # Errors
/// [`Error::Shrank`].
pub(super) fn check(
    before: &Manifest,
    areas: impl Iterator<Item = Area> + Clone,
    facts: &Facts,
) -> Result<(), Error> {
    let areas_before = before.entries.iter().map(|entry: &Entry| entry.area);
    compare(Counts::new(areas_before, &before.about.facts), Counts::new(areas, facts))
}

fn compare(before: Counts, after: Counts) -> Result<(), Error> {
    let pairs = [
        ("objects of the public bucket", before.public, after.public),
        ("objects of the private bucket", before.private, after.private),
        ("posts", before.posts, after.posts),
        ("comments", before.comments, after.comments),
    ];
    for (what, before, after) in pairs {
        let emptied = before > 0 && after == 0 && before >= FEW / 2;
        let halved = before >= FEW && after < before.div_ceil(2);
        if emptied || halved {
            return Err(Error::Shrank { what, before, after });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Counts = Counts { public: 100, private: 8, posts: 3, comments: 40 };

    #[test]
    fn growth_and_small_losses_pass() {
        for after in [
            BEFORE,
            Counts { public: 50, ..BEFORE },
            Counts { private: 1, ..BEFORE },
            Counts { posts: 0, ..BEFORE },
        ] {
            assert!(compare(BEFORE, after).is_ok(), "{after:?}");
        }
    }

    #[test]
    fn less_than_half_or_nothing_at_all_is_refused() {
        for after in [
            Counts { public: 49, ..BEFORE },
            Counts { private: 0, ..BEFORE },
            Counts { comments: 0, ..BEFORE },
        ] {
            assert!(matches!(compare(BEFORE, after), Err(Error::Shrank { .. })), "{after:?}");
        }
    }
}
