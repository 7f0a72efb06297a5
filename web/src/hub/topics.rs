//! The topics of this process: each a number, a ring, and those who watch.

use std::collections::HashMap;

use shared::bus::replay::Stored;
use shared::subject::Topic;
use slab::Slab;

use super::frame::Frame;
use super::policy;
use super::ring::Ring;

/// Topics whose events are kept in memory at most; the one that was silent
/// longest makes room, and a client that needs it reads the stream.
const TOPICS_MAX: usize = 2048;

/// One connection's place in a topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// The topic.
    pub(super) topic: u32,
    /// The place in its list of watchers.
    pub(super) place: u32,
}

/// A connection that watches, and which of its topics this is to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watcher {
    pub(super) conn: u32,
    pub(super) index: u32,
}

/// A frame that a connection lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pick {
    seq: u64,
    topic: u32,
    index: u32,
}

struct Entry {
    topic: Topic,
    ring: Ring,
    watchers: Vec<Watcher>,
    /// It has news that its watchers were not told.
    dirty: bool,
    /// When they were told last.
    told: u64,
}

impl Entry {
    fn due(&self) -> u64 {
        self.ring.delivery().period().map_or(0, |period| self.told + period)
    }
}

/// All topics.
#[derive(Default)]
pub(super) struct Topics {
    ids: HashMap<Topic, u32>,
    entries: Slab<Entry>,
    /// Below this, a topic that is not here may have had events.
    floor: u64,
    dirty: Vec<u32>,
}

impl Topics {
    /// Begins a life of the stream: nothing of another one means anything.
    pub(super) fn clear(&mut self, floor: u64) {
        self.floor = floor;
        self.dirty.clear();
        self.entries.retain(|_, entry| {
            entry.ring.clear(floor);
            entry.dirty = false;
            !entry.watchers.is_empty()
        });
        self.ids.retain(|_, id| self.entries.contains(*id as usize));
    }

    /// Takes the next event in order.
    pub(super) fn push(&mut self, event: &Stored, epoch: &str) {
        let id = self.id(&event.topic);
        let entry = &mut self.entries[id as usize];
        entry.ring.push(event, epoch);
        if !std::mem::replace(&mut entry.dirty, true) {
            self.dirty.push(id);
        }
        if self.entries.len() > TOPICS_MAX {
            self.drop_silent();
        }
    }

    fn id(&mut self, topic: &Topic) -> u32 {
        if let Some(id) = self.ids.get(topic) {
            return *id;
        }
        let ring = Ring::new(topic, self.floor);
        let entry =
            Entry { topic: topic.clone(), ring, watchers: Vec::new(), dirty: false, told: 0 };
        let id = u32::try_from(self.entries.insert(entry)).expect("topics fit into memory");
        self.ids.insert(topic.clone(), id);
        id
    }

    fn drop_silent(&mut self) {
        let unwatched = self.entries.iter().filter(|(_, it)| it.watchers.is_empty() && !it.dirty);
        let silent = unwatched.min_by_key(|(_, it)| it.ring.newest()).map(|(id, _)| id);
        if let Some(id) = silent {
            self.floor = self.floor.max(self.entries[id].ring.newest());
            self.remove(id);
        }
    }

    fn remove(&mut self, id: usize) {
        let entry = self.entries.remove(id);
        self.ids.remove(&entry.topic);
    }

    /// Lets a connection watch a topic.
    pub(super) fn join(&mut self, topic: &Topic, watcher: Watcher) -> Member {
        let id = self.id(topic);
        let watchers = &mut self.entries[id as usize].watchers;
        watchers.push(watcher);
        let place = u32::try_from(watchers.len() - 1).expect("watchers fit into memory");
        Member { topic: id, place }
    }

    /// Ends a watch; says who stands in the place that became free.
    pub(super) fn leave(&mut self, member: Member) -> Option<Watcher> {
        let (id, place) = (member.topic as usize, member.place as usize);
        let entry = &mut self.entries[id];
        entry.watchers.swap_remove(place);
        let moved = entry.watchers.get(place).copied();
        let (length, room) = (entry.watchers.len(), entry.watchers.capacity());
        if room > 64 && length * 4 < room {
            entry.watchers.shrink_to(length * 2);
        }
        if length == 0 && entry.ring.is_empty() && entry.ring.evicted() <= self.floor {
            self.remove(id);
        }
        moved
    }

    /// Who watches a topic, by place; the list ends with `None`.
    pub(super) fn watcher(&self, topic: u32, place: usize) -> Option<Watcher> {
        self.entries.get(topic as usize)?.watchers.get(place).copied()
    }

    /// Those who watch what not everyone may, some more than once.
    pub(super) fn guarded(&self) -> Vec<u32> {
        let guarded = self.entries.iter().filter(|(_, it)| policy::is_guarded(&it.topic));
        guarded.flat_map(|(_, it)| &it.watchers).map(|watcher| watcher.conn).collect()
    }

    /// Topics with news whose time has come.
    pub(super) fn due(&mut self, now: u64) -> Vec<u32> {
        let (entries, mut due) = (&mut self.entries, Vec::new());
        self.dirty.retain(|id| {
            let entry = &mut entries[*id as usize];
            let waits = entry.due() > now;
            if !waits {
                (entry.dirty, entry.told) = (false, now);
                due.push(*id);
            }
            waits
        });
        due
    }

    /// When the next news is due.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.dirty.iter().map(|id| self.entries[*id as usize].due()).min()
    }

    /// Picks what came after `seq` in the topics of `members`, in the order of
    /// the stream; false when a ring does not reach back so far.
    pub(super) fn pick(&self, members: &[Member], seq: u64, picks: &mut Vec<Pick>) -> bool {
        picks.clear();
        for member in members {
            let ring = &self.entries[member.topic as usize].ring;
            if !ring.reaches(seq) {
                return false;
            }
            let pick = |(index, frame): (usize, &Frame)| Pick {
                seq: frame.seq,
                topic: member.topic,
                index: u32::try_from(index).expect("a ring is short"),
            };
            picks.extend(ring.after(seq).map(pick));
        }
        picks.sort_unstable();
        true
    }

    pub(super) fn frame(&self, pick: Pick) -> &Frame {
        self.entries[pick.topic as usize].ring.frame(pick.index as usize)
    }

    /// The topics of `members`, by name.
    pub(super) fn names(&self, members: &[Member]) -> Vec<Topic> {
        members.iter().map(|it| self.entries[it.topic as usize].topic.clone()).collect()
    }

    /// Topics that are in memory.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
