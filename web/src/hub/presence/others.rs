//! The readers of the other processes, as they told them. No socket and no
//! clock: what is heard and when comes from outside.

use std::collections::HashMap;

use shared::bus::presence::{Presence as Told, Word};
use shared::events::Readers;
use uuid::Uuid;

/// A process that says nothing for so many milliseconds is gone.
const SILENCE: u64 = 1500;
/// Who speaks for all has listened for so many milliseconds before.
const LISTEN: u64 = 750;

/// What was heard.
#[derive(Default)]
pub(super) struct Others {
    processes: HashMap<Uuid, Process>,
    /// Since when words are heard; none while NATS is away.
    listening: Option<u64>,
}

struct Process {
    heard: u64,
    number: u64,
    word: Word,
}

impl Others {
    /// Takes a word; one that is older than what was heard means nothing. A
    /// process that has said farewell is remembered until an older word of it
    /// cannot come any more.
    pub(super) fn hear(&mut self, told: Told, now: u64) {
        let Told { process, number, word } = told;
        let known = self.processes.get(&process);
        if known.is_none_or(|known| known.number < number) {
            self.processes.insert(process, Process { heard: now, number, word });
        }
    }

    /// Forgets who fell silent. Who hears nobody, because NATS is away, forgets
    /// nobody: it is not known who is there.
    pub(super) fn look_round(&mut self, now: u64, hearing: bool) {
        if hearing {
            self.listening.get_or_insert(now);
            self.processes.retain(|_, process| process.heard + SILENCE > now);
        } else {
            self.listening = None;
            self.processes.values_mut().for_each(|process| process.heard = now);
        }
    }

    /// Whether the others leave it to `me` to tell visitors the sum: the oldest
    /// of those that may does, once it has heard who is there.
    pub(super) fn leave_the_word_to(&self, me: Uuid, now: u64) -> bool {
        let listened = self.listening.is_some_and(|since| now >= since + LISTEN);
        let speaks = |process: &Process| matches!(process.word, Word::Here { speaks: true, .. });
        let older = |(id, process): (&Uuid, &Process)| *id < me && speaks(process);
        listened && !self.processes.iter().any(older)
    }

    fn readers(&self) -> impl Iterator<Item = &Readers> {
        self.processes.values().filter_map(|process| match &process.word {
            Word::Here { readers, .. } => Some(readers),
            Word::Gone => None,
        })
    }

    pub(super) fn site(&self) -> usize {
        self.readers().map(|readers| readers.readers).sum()
    }

    pub(super) fn post(&self, post: &str) -> usize {
        self.readers().filter_map(|readers| readers.posts.get(post)).sum()
    }

    pub(super) fn add_to(&self, sum: &mut Readers) {
        for readers in self.readers() {
            sum.readers += readers.readers;
            for (post, count) in &readers.posts {
                *sum.posts.entry(post.clone()).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id(process: u128) -> Uuid {
        Uuid::from_u128(process)
    }

    fn here(process: u128, number: u64, readers: usize, speaks: bool) -> Told {
        let posts = [("a".to_owned(), readers)].into_iter().filter(|(_, count)| *count > 0);
        let word = Word::Here { speaks, readers: Readers { readers, posts: posts.collect() } };
        Told { process: id(process), number, word }
    }

    fn gone(process: u128, number: u64) -> Told {
        Told { process: id(process), number, word: Word::Gone }
    }

    #[track_caller]
    fn check(others: &Others, expect: usize) {
        let mut sum = Readers::default();
        others.add_to(&mut sum);
        assert_eq!((others.site(), others.post("a"), sum.readers), (expect, expect, expect));
    }

    #[test]
    fn processes_that_come_are_added_and_those_that_go_are_not() {
        let mut others = Others::default();
        others.hear(here(1, 1, 3, true), 0);
        others.hear(here(2, 1, 4, true), 0);
        check(&others, 7);
        others.hear(here(1, 2, 5, true), 100);
        check(&others, 9);
        others.hear(gone(1, 3), 200);
        check(&others, 4);
    }

    #[test]
    fn a_word_that_was_overtaken_means_nothing() {
        let mut others = Others::default();
        others.hear(here(1, 2, 5, true), 0);
        others.hear(here(1, 1, 3, true), 1);
        check(&others, 5);
        others.hear(gone(1, 4), 2);
        others.hear(here(1, 3, 5, true), 3);
        check(&others, 0);
    }

    #[test]
    fn a_process_that_falls_silent_drops_out_and_its_next_life_is_another() {
        let mut others = Others::default();
        others.hear(here(1, 9, 5, true), 0);
        others.look_round(SILENCE - 1, true);
        check(&others, 5);
        others.hear(here(2, 1, 2, true), SILENCE);
        others.look_round(SILENCE, true);
        check(&others, 2);
    }

    #[test]
    fn while_nats_is_away_nobody_drops_out_and_nobody_speaks() {
        let mut others = Others::default();
        others.look_round(0, true);
        others.hear(here(1, 1, 5, false), 0);
        assert!(others.leave_the_word_to(id(2), LISTEN));
        others.look_round(60_000, false);
        check(&others, 5);
        assert!(!others.leave_the_word_to(id(2), 60_000));
        others.look_round(60_000 + SILENCE - 1, true);
        check(&others, 5);
        assert!(!others.leave_the_word_to(id(2), 60_000 + SILENCE - 1));
        others.look_round(60_000 + SILENCE, true);
        check(&others, 0);
    }

    #[test]
    fn the_oldest_that_knows_the_posts_speaks_and_the_next_when_it_is_gone() {
        let mut others = Others::default();
        others.look_round(0, true);
        assert!(!others.leave_the_word_to(id(5), LISTEN - 1));
        assert!(others.leave_the_word_to(id(5), LISTEN));
        others.hear(here(1, 1, 0, false), LISTEN);
        others.hear(here(7, 1, 0, true), LISTEN);
        assert!(others.leave_the_word_to(id(5), LISTEN));
        others.hear(here(2, 1, 0, true), LISTEN);
        assert!(!others.leave_the_word_to(id(5), LISTEN));
        others.hear(gone(2, 2), LISTEN);
        assert!(others.leave_the_word_to(id(5), LISTEN));
    }

    /// What a process did: it told a count (or farewell), or time went by.
    #[derive(Debug, Clone)]
    enum Op {
        Tell(u128, Option<usize>),
        Late(u128),
        Pass(u64),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let tell = (0..4u128, proptest::option::weighted(0.8, 0..9usize));
        let op = prop_oneof![
            6 => tell.prop_map(|(process, count)| Op::Tell(process, count)),
            2 => (0..4u128).prop_map(Op::Late),
            3 => (0..1000u64).prop_map(Op::Pass),
        ];
        proptest::collection::vec(op, 0..60)
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_the_newest_word_of_all_who_were_heard_lately(ops in ops()) {
            let (mut others, mut now, mut number) = (Others::default(), 0, 1);
            let mut newest: BTreeMap<u128, (u64, usize)> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Tell(process, count) => {
                        number += 1;
                        let told = count.map_or_else(
                            || gone(process, number),
                            |count| here(process, number, count, true),
                        );
                        others.hear(told, now);
                        newest.insert(process, (now, count.unwrap_or(0)));
                    }
                    // Only of who is known: a word cannot be late for as long as that.
                    Op::Late(process) if newest.contains_key(&process) => {
                        others.hear(here(process, 1, 99, true), now);
                    }
                    Op::Late(_) => {}
                    Op::Pass(time) => now += time,
                }
                others.look_round(now, true);
                newest.retain(|_, (heard, _)| *heard + SILENCE > now);
                let sum: usize = newest.values().map(|(_, count)| count).sum();
                prop_assert_eq!(others.site(), sum);
                prop_assert_eq!(others.post("a"), sum);
            }
        }
    }
}
