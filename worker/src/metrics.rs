//! What the worker counts.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use shared::db::outbox::Depth;
use shared::telemetry::prometheus_client::metrics::counter::Counter;
use shared::telemetry::prometheus_client::metrics::family::Family;
use shared::telemetry::prometheus_client::metrics::gauge::Gauge;
use shared::telemetry::prometheus_client::metrics::histogram::Histogram;
use shared::telemetry::prometheus_client::registry::{Registry, Unit};

/// Names and values, as `queue="comments"`.
type Labels<const N: usize> = [(&'static str, String); N];

/// Upper bounds in seconds: from a row in SQLite to a large image.
const BUCKETS: [f64; 12] =
    [0.000_25, 0.001, 0.004, 0.016, 0.064, 0.25, 1.0, 4.0, 15.0, 30.0, 60.0, 120.0];

/// The metrics of this process; clones count together.
#[derive(Clone)]
pub struct Metrics {
    jobs: Family<Labels<3>, Counter>,
    seconds: Family<Labels<2>, Histogram, fn() -> Histogram>,
    in_flight: Family<Labels<1>, Gauge>,
    outbox_due: Gauge<i64, AtomicI64>,
    outbox_scheduled: Gauge<i64, AtomicI64>,
    outbox_oldest: Gauge<f64, std::sync::atomic::AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            jobs: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Family::default(),
            outbox_due: Gauge::default(),
            outbox_scheduled: Gauge::default(),
            outbox_oldest: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Shows them on the ops listener; those of the outbox only `with_data`.
    pub fn register(&self, registry: &mut Registry, with_data: bool) {
        registry.register("jobs", "Attempts by queue, kind and outcome", self.jobs.clone());
        registry.register_with_unit(
            "job",
            "Time an attempt took",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "jobs_in_flight",
            "Jobs that this process works on now",
            self.in_flight.clone(),
        );
        if with_data {
            self.register_outbox(registry);
        }
    }

    fn register_outbox(&self, registry: &mut Registry) {
        registry.register("outbox_due", "Messages that wait to be sent", self.outbox_due.clone());
        registry.register(
            "outbox_scheduled",
            "Messages whose time has not come",
            self.outbox_scheduled.clone(),
        );
        registry.register_with_unit(
            "outbox_oldest",
            "Age of the oldest message that waits to be sent",
            Unit::Seconds,
            self.outbox_oldest.clone(),
        );
    }

    /// Counts attempts that ended alike, and how long each took.
    pub fn ended(
        &self,
        queue: &str,
        kind: &str,
        outcome: &str,
        took: impl ExactSizeIterator<Item = Duration>,
    ) {
        let labels = || [("queue", queue.to_owned()), ("kind", kind.to_owned())];
        let [queue_label, kind_label] = labels();
        let outcome = ("outcome", outcome.to_owned());
        let counter = self.jobs.get_or_create(&[queue_label, kind_label, outcome]).clone();
        counter.inc_by(took.len() as u64);
        let seconds = self.seconds.get_or_create(&labels()).clone();
        took.for_each(|took| seconds.observe(took.as_secs_f64()));
    }

    /// Counts `jobs` as in flight until the guard is dropped.
    #[must_use]
    pub fn begin(&self, queue: &str, jobs: usize) -> InFlight {
        let gauge = self.in_flight.get_or_create(&[("queue", queue.to_owned())]).clone();
        let jobs = i64::try_from(jobs).unwrap_or(i64::MAX);
        gauge.inc_by(jobs);
        InFlight { gauge, jobs }
    }

    /// Shows how much waits in the outbox.
    pub fn outbox(&self, depth: Depth) {
        self.outbox_due.set(depth.due);
        self.outbox_scheduled.set(depth.scheduled);
        self.outbox_oldest.set(depth.oldest_ms as f64 / 1000.0);
    }
}

/// Jobs in flight.
pub struct InFlight {
    gauge: Gauge,
    jobs: i64,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec_by(self.jobs);
    }
}
