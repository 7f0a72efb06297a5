//! What is measured of those who watch.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The hub's gauges and counters.
#[derive(Clone, Default)]
pub struct Meters {
    connections: Gauge,
    topics: Gauge,
    events: Counter,
    sent: Counter,
    resumes: Family<Source, Counter>,
    slow: Counter,
    pub(super) refused: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    from: &'static str,
}

/// What happened since it was asked last.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    /// Events that came.
    pub(super) events: u64,
    /// Events that went out, one for each client.
    pub(super) sent: u64,
    /// Clients that came back and were served from memory.
    pub(super) ring: u64,
    /// Times that a client was served from the stream.
    pub(super) stream: u64,
    /// Clients that were told to load their data again.
    pub(super) reset: u64,
    /// Clients that took nothing for too long, and were closed.
    pub(super) slow: u64,
}

impl Meters {
    /// Meters that `registry` shows.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let meters = Self::default();
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        gauge("live_connections", "Clients that watch", &meters.connections);
        gauge("live_topics", "Topics in memory", &meters.topics);
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter("live_events", "Events taken from NATS", &meters.events);
        counter("live_events_sent", "Events sent, one for each client", &meters.sent);
        counter("live_refused", "Clients for which there was no place", &meters.refused);
        counter("live_slow_closed", "Clients closed since they took nothing", &meters.slow);
        let help = "Clients that were behind, by what they were given";
        registry.register("live_resumes", help, meters.resumes.clone());
        meters
    }

    /// Shows how many clients and topics there are, and adds what happened.
    pub(super) fn show(&self, (connections, topics): (usize, usize), tally: Tally) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.connections.set(count(connections));
        self.topics.set(count(topics));
        if tally == Tally::default() {
            return;
        }
        self.events.inc_by(tally.events);
        self.sent.inc_by(tally.sent);
        self.slow.inc_by(tally.slow);
        for (from, some) in [("ring", tally.ring), ("stream", tally.stream), ("reset", tally.reset)]
        {
            self.resumes.get_or_create(&Source { from }).inc_by(some);
        }
    }
}
