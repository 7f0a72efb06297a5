//! Answers that end, and the sockets that are full meanwhile.

use std::cell::RefCell;

use super::reader::Pipe;
use super::*;

/// A client that polls until 1000, in a stream with one event; its socket takes
/// `room` bytes.
fn poller(room: usize, resume: &Resume) -> (Engine<Sink>, Rc<RefCell<Pipe>>) {
    let mut engine = Engine::new();
    let event = Stored { seq: 1, topic: topic(), body: Bytes::from_static(b"{}") };
    engine.begin(&epoch(0), (0, 1), &[event]);
    let pipe = Rc::new(RefCell::new(Pipe { room, ..Pipe::default() }));
    let (sink, head) = (Sink(Rc::clone(&pipe)), Bytes::from_static(b"head\n\n"));
    let (topics, framing) = (&[topic()][..], Framing::Plain);
    let (retry, greeted, until) = (7, false, Some(1000));
    engine.connect(Newcomer {
        sink,
        framing,
        head,
        topics,
        resume,
        known_at: 0,
        retry,
        greeted,
        until,
    });
    (engine, pipe)
}

fn topic() -> Topic {
    TOPICS[0].parse().unwrap()
}

fn read(pipe: &Rc<RefCell<Pipe>>) -> String {
    String::from_utf8(pipe.borrow().taken.clone()).unwrap()
}

#[test]
fn an_answer_ends_at_once_with_what_was_missed_and_the_place_after_it() {
    let before = Cursor { epoch: epoch(0), seq: 0 };
    let (engine, pipe) = poller(1000, &Resume::After(before));
    let end = "event: comments.a\ndata: {}\n\nretry: 7\nid: 0-1\n\n";
    assert_eq!(read(&pipe), format!("head\n\nid: 0-1\n{end}"));
    assert_eq!(engine.counts().0, 0);
}

#[test]
fn an_answer_without_events_ends_when_its_time_is_over() {
    let (mut engine, pipe) = poller(1000, &Resume::Now);
    engine.flush(999);
    assert_eq!((read(&pipe).as_str(), engine.next_due()), ("head\n\n", Some(1000)));
    engine.flush(1000);
    assert_eq!(read(&pipe), "head\n\nretry: 7\nid: 0-1\n\n");
    assert_eq!((engine.counts().0, engine.next_due()), (0, None));
}

#[test]
fn a_full_socket_whose_time_is_over_keeps_nobody_awake_and_ends_when_it_has_room() {
    let (mut engine, pipe) = poller(3, &Resume::Now);
    engine.flush(1000);
    assert_eq!((engine.counts().0, engine.next_due()), (1, None));
    pipe.borrow_mut().room = 1000;
    engine.writable(0);
    assert_eq!(read(&pipe), "head\n\nretry: 7\nid: 0-1\n\n");
    assert_eq!(engine.counts().0, 0);
}
