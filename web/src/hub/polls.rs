//! Answers that end: with the first events, or when their time is over.

use std::collections::HashMap;

/// The connections that poll: few, so that those that do not pay nothing.
#[derive(Default)]
pub(super) struct Polls {
    open: HashMap<u32, Poll>,
}

struct Poll {
    /// When its time is over; none once it is.
    until: Option<u64>,
    /// The pause before the client asks again, in milliseconds.
    retry: u128,
}

impl Polls {
    pub(super) fn begin(&mut self, conn: u32, until: u64, retry: u128) {
        self.open.insert(conn, Poll { until: Some(until), retry });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Those whose time is over. Each is named once: one whose socket is full
    /// ends when it has room, and wakes nobody until then.
    pub(super) fn over(&mut self, now: u64) -> Vec<u32> {
        let mut over = Vec::new();
        for (conn, poll) in &mut self.open {
            if poll.until.take_if(|until| *until <= now).is_some() {
                over.push(*conn);
            }
        }
        over
    }

    /// When the next one's time is over.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.open.values().filter_map(|poll| poll.until).min()
    }

    /// Forgets a connection; gives its pause when it polls.
    pub(super) fn end(&mut self, conn: u32) -> Option<u128> {
        self.open.remove(&conn).map(|poll| poll.retry)
    }
}
