//! A file: what programs read, and what the disk would still hold without power.

use fastrand::Rng;

use super::pages::{PAGE, Pages};

/// A file in both of its states.
#[derive(Default)]
pub struct File {
    live: Pages,
    durable: Pages,
    /// Times and sizes of cuts that the disk may not hold yet.
    shrinks: Vec<(u64, u64)>,
    /// Counts the changes that there have been.
    time: u64,
    /// The time of the durable state.
    durable_time: u64,
}

/// A file as it was when a sync of it began.
pub struct Snapshot {
    pages: Pages,
    time: u64,
}

impl File {
    /// What programs see.
    pub fn live(&self) -> &Pages {
        &self.live
    }

    /// Writes; nothing of it is durable yet.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.time += 1;
        self.live.write(offset, bytes);
    }

    /// Sets the size; not durable yet.
    pub fn resize(&mut self, size: u64) {
        self.time += 1;
        if size < self.live.size() {
            self.shrinks.push((self.time, size));
        }
        self.live.resize(size);
    }

    /// What a sync that begins now makes durable.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { pages: self.live.clone(), time: self.time }
    }

    /// The end of a sync. One that was overtaken by a later one changes nothing.
    pub fn persist(&mut self, snapshot: Snapshot) {
        if snapshot.time < self.durable_time {
            return;
        }
        self.durable_time = snapshot.time;
        self.shrinks.retain(|(time, _)| *time > snapshot.time);
        self.durable = snapshot.pages;
    }

    /// Forgets what is not durable, but for a random part of it: see [`super`].
    pub fn lose_power(&mut self, rng: &mut Rng, survival: f64) {
        let shrinks = std::mem::take(&mut self.shrinks);
        let cut_is_kept = shrinks.is_empty() || rng.f64() < survival;
        if cut_is_kept {
            let shortest = shrinks.iter().map(|(_, size)| *size).min();
            self.durable
                .resize(shortest.map_or(self.durable.size(), |size| size.min(self.durable.size())));
            self.keep_some_pages(rng, survival);
        }
        self.live = self.durable.clone();
    }

    fn keep_some_pages(&mut self, rng: &mut Rng, survival: f64) {
        let size = self.grown_to(rng, survival);
        let mut kept = self.durable.clone();
        kept.resize(self.live.size());
        for number in self.live.newer_than(&self.durable) {
            if rng.f64() < survival {
                kept.take(number, &self.live);
            }
        }
        kept.resize(size);
        self.durable = kept;
    }

    /// How much of what was appended the disk counts to the file: all, nothing, or some
    /// pages of it.
    fn grown_to(&self, rng: &mut Rng, survival: f64) -> u64 {
        let (from, to) = (self.durable.size(), self.live.size());
        if to <= from || rng.f64() >= survival {
            return from.min(to);
        }
        let page = rng.u64(from / PAGE as u64..=to / PAGE as u64) * PAGE as u64;
        if rng.bool() { to } else { page.clamp(from, to) }
    }
}
