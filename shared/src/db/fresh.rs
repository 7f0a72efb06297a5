//! Rows of the outbox on their way from the writer to the relay of the same
//! process, which need not read what was written a moment ago.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::outbox::Row;

/// Rows that are held for the relay at most: one that is held up reads them
/// from the outbox.
const ROWS: usize = 4000;
/// Bytes of their bodies at most.
const BYTES: usize = 4 << 20;

/// What was committed since the relay last took it.
#[derive(Default)]
pub struct Fresh {
    held: Mutex<Held>,
    filled: Notify,
}

#[derive(Default)]
struct Held {
    /// Whether somebody takes them.
    wanted: bool,
    rows: Vec<Row>,
    bytes: usize,
    /// Whether some are in the outbox alone.
    incomplete: bool,
}

impl Fresh {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over what was committed, in the order of the outbox.
    pub(super) fn add(&self, rows: Vec<Row>) {
        let mut held = self.held();
        held.bytes += rows.iter().map(|row| row.body.len()).sum::<usize>();
        held.rows.extend(rows);
        if !held.wanted || held.rows.len() > ROWS || held.bytes > BYTES {
            *held = Held { wanted: held.wanted, incomplete: true, ..Held::default() };
        }
        drop(held);
        self.filled.notify_one();
    }

    /// Has rows handed over from now on.
    pub(crate) fn want(&self) {
        self.held().wanted = true;
    }

    /// All that was committed since the last call; `None` when the outbox has
    /// to be read for it.
    pub(crate) fn take(&self) -> Option<Vec<Row>> {
        let mut held = self.held();
        let taken = std::mem::take(&mut *held);
        held.wanted = taken.wanted;
        (!taken.incomplete).then_some(taken.rows)
    }

    /// Waits until something was committed.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(seqs: std::ops::Range<i64>, bytes: usize) -> Vec<Row> {
        let row = |seq: i64| Row {
            seq,
            msg_id: seq.to_string(),
            subject: "jobs.a.b".to_owned(),
            body: vec![0; bytes],
            packs: false,
        };
        seqs.map(row).collect()
    }

    #[test]
    fn rows_come_in_order_and_once() {
        let fresh = Fresh::default();
        fresh.want();
        fresh.add(rows(1..3, 1));
        fresh.add(rows(3..4, 1));
        let taken = fresh.take().unwrap();
        assert_eq!(taken.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(fresh.take(), Some(Vec::new()));
    }

    #[test]
    fn what_is_too_much_or_not_wanted_is_to_be_read() {
        let fresh = Fresh::default();
        fresh.add(rows(1..2, 1));
        assert_eq!(fresh.take(), None);
        fresh.want();
        fresh.add(rows(2..3, BYTES + 1));
        fresh.add(rows(3..4, 1));
        assert_eq!(fresh.take(), None);
        fresh.add(rows(4..5, 1));
        assert_eq!(fresh.take().unwrap().len(), 1);
    }
}
