//! What is measured of each contestant, the same way for all.

use std::process::Command;
use std::time::Duration;

use crate::memory::resident_kib;
use crate::program::{Program, now};
use crate::report::percentile;

/// The processes of a contestant, on servers of their own.
pub trait Ground {
    /// The process that works; it says `done` each `every` jobs.
    fn worker(&self, every: usize) -> Command;
    /// The process that enqueues.
    fn producer(&self) -> Command;
    /// Whether all `jobs` had their effect, as the store itself tells.
    ///
    /// # Errors
    /// What is missing.
    fn verify(&self, _jobs: usize) -> Result<(), String> {
        Ok(())
    }
}

/// Seconds from the first enqueue to the last effect, the worker running.
pub fn together(ground: &dyn Ground, jobs: usize) -> Result<f64, String> {
    let mut worker = Program::start(&mut ground.worker(jobs))?;
    let mut producer = Program::start(&mut ground.producer())?;
    worker.say("go")?;
    producer.say(&jobs.to_string())?;
    let begin = producer.hear("begin")?;
    producer.hear("enqueued")?;
    let end = worker.hear("done")?;
    ground.verify(jobs)?;
    Ok(seconds(begin, end))
}

/// Seconds to work on jobs that are all in the queue before.
pub fn apart(ground: &dyn Ground, jobs: usize) -> Result<f64, String> {
    let mut producer = Program::start(&mut ground.producer())?;
    producer.say(&jobs.to_string())?;
    producer.hear("begin")?;
    producer.hear("enqueued")?;
    producer.say("settle")?;
    producer.hear("settled")?;
    let mut worker = Program::start(&mut ground.worker(jobs))?;
    let begin = now();
    worker.say("go")?;
    let end = worker.hear("done")?;
    ground.verify(jobs)?;
    Ok(seconds(begin, end))
}

/// Single jobs on an idle queue.
pub struct Alone {
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Of the worker, before its first job.
    pub worker_kib: u64,
}

/// From the call that enqueues to the durable effect, one job at a time.
pub fn alone(ground: &dyn Ground, jobs: usize, warm_up: usize) -> Result<Alone, String> {
    let mut worker = Program::start(&mut ground.worker(1))?;
    let mut producer = Program::start(&mut ground.producer())?;
    worker.say("go")?;
    let mut times = Vec::with_capacity(jobs);
    let mut worker_kib = 0;
    for number in 0..warm_up + jobs {
        if number == 1 {
            worker_kib = resident_kib(worker.pid());
        }
        producer.say("1")?;
        let begin = producer.hear("begin")?;
        producer.hear("enqueued")?;
        let end = worker.hear("done")?;
        if number >= warm_up {
            times.push(Duration::from_nanos(end.saturating_sub(begin)));
        }
    }
    times.sort_unstable();
    let [p50_ms, p99_ms] = [0.5, 0.99].map(|share| percentile(&times, share));
    Ok(Alone { p50_ms, p99_ms, worker_kib })
}

fn seconds(begin: u64, end: u64) -> f64 {
    Duration::from_nanos(end.saturating_sub(begin)).as_secs_f64()
}
