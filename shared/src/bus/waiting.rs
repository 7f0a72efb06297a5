//! Jobs that are in the JOBS stream: listed from a place on, or looked for by id.
//!
//! JetStream has no index by id or by what a worker has taken, the stream may
//! hold a GiB of jobs, and somebody waits for the answer. So what is read for one
//! answer is bounded by time: a list gives what was found until then and the place
//! where it goes on, and may be short, even empty, though there is more; of a job
//! that was not found until then nothing is said, least that it is not there.

use std::collections::HashMap;
use std::time::{Duration, Instant as Clock};

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::Bus;
use super::direct::Found;
use super::queues::{QueueError, failed, in_time};
use crate::db::jobs::Only;
use crate::envelope::Envelope;
use crate::jobs::enqueue::Priority;
use crate::jobs::images::MakeVariants;
use crate::jobs::{Job as _, own};
use crate::subject::{self, JobAddress};
use crate::time::Instant;

/// Messages that are read at once.
const PAGE: usize = 256;
/// After so long a list is cut: the next page goes on.
const LISTING: Duration = Duration::from_secs(1);
/// One job is looked for so long: a GiB is read in less on one machine.
const SEEKING: Duration = Duration::from_secs(8);

/// A job that is in the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Its queue.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// The job; none when the message is no job at all.
    pub job: Option<Envelope>,
    /// When it was stored.
    pub stored: Instant,
    /// Whether a worker has it.
    pub running: bool,
    /// Its message.
    sequence: u64,
    /// Whether others share the message.
    packed: bool,
}

/// A place in the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The message.
    pub message: u64,
    /// The job of its pack, from 0.
    pub part: usize,
}

/// Up to where each consumer has handed out: what is there before that, and
/// still in the stream, is under way.
struct HandedOut(HashMap<String, u64>);

impl HandedOut {
    fn up_to(&self, queue: &str, priority: Priority) -> u64 {
        self.0.get(&subject::consumer(queue, priority)).copied().unwrap_or(0)
    }

    fn has(&self, found: &Found) -> bool {
        let address = JobAddress::parse(&found.subject);
        address.is_some_and(|it| found.sequence <= self.up_to(it.queue, it.priority))
    }

    /// The first place where a job of `queue` can be queued.
    fn first_queued(&self, queue: &str) -> u64 {
        Priority::ALL.map(|it| self.up_to(queue, it)).into_iter().min().unwrap_or(0) + 1
    }

    /// The last place where a job can be running.
    fn last_running(&self) -> u64 {
        self.0.values().copied().max().unwrap_or(0)
    }
}

impl Bus {
    /// Jobs that are in the stream, `only` those or all, in the stream's order from
    /// the place `from` on: those that run, or those that wait. At most `limit`, and
    /// where there may be more.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn waiting(
        &self,
        only: &Only,
        running: bool,
        from: Place,
        limit: usize,
    ) -> Result<(Vec<Waiting>, Option<Place>), QueueError> {
        let queue = only.queue.as_deref();
        let handed_out = self.handed_out().await?;
        let filter = subject::job(queue.unwrap_or("*"), ">");
        let first = if running { 0 } else { queue.map_or(0, |it| handed_out.first_queued(it)) };
        let mut place = if from.message < first { Place { message: first, part: 0 } } else { from };
        let (mut jobs, began) = (Vec::new(), Clock::now());
        while !running || place.message <= handed_out.last_running() {
            let page = self.direct(subject::JOBS, &filter, place.message.max(1), PAGE).await;
            let page = page.map_err(failed)?;
            let Some(last) = page.last() else { break };
            let after = Place { message: last.sequence + 1, part: 0 };
            let asked = |found: &Found| handed_out.has(found) == running && is_of(found, only);
            for found in page.into_iter().filter(asked) {
                let message = found.sequence;
                let begin = if message == place.message { place.part } else { 0 };
                for (part, job) in expanded(found, running).into_iter().enumerate().skip(begin) {
                    if jobs.len() == limit {
                        return Ok((jobs, Some(Place { message, part })));
                    }
                    jobs.push(job);
                }
            }
            place = after;
            if began.elapsed() > LISTING {
                return Ok((jobs, Some(place)));
            }
        }
        Ok((jobs, None))
    }

    /// The place of the newest message.
    ///
    /// # Errors
    /// When NATS is away or slow.
    pub async fn newest_job(&self) -> Result<u64, QueueError> {
        let stream = self.jetstream().get_stream(subject::JOBS);
        let stream = in_time(async { stream.await.map_err(failed) }).await?;
        Ok(stream.cached_info().state.last_sequence)
    }

    /// The job `id`, where it is in the stream; one that was handed in, and of which
    /// nobody has written down yet what came of it, is in the message that says so.
    ///
    /// # Errors
    /// When NATS is away or slow, or holds so much that the job was not found in
    /// time.
    pub async fn find_job(&self, id: Uuid) -> Result<Option<Waiting>, QueueError> {
        let handed_out = self.handed_out().await?;
        let (mut from, began) = (1, Clock::now());
        loop {
            let page = self.direct(subject::JOBS, subject::IN_JOBS, from, PAGE).await;
            let page = page.map_err(failed)?;
            let Some(last) = page.last() else { return Ok(None) };
            from = last.sequence + 1;
            for found in page {
                if let Some(part) = part_of(&found.body, id) {
                    let running = handed_out.has(&found);
                    return Ok(expanded(found, running).into_iter().nth(part));
                }
                if let Some(job) = handed_in(&found, id) {
                    return Ok(Some(job));
                }
            }
            if began.elapsed() > SEEKING {
                return Err(QueueError::Unfinished);
            }
        }
    }

    /// Takes the message of a job that is dead out of the stream, so that nobody
    /// does its work in vain. One that others share stays, and so does one that
    /// cannot be taken out: what comes of that job is known as too late.
    pub(crate) async fn drop_dead(&self, job: &Waiting) {
        if job.packed {
            return;
        }
        let gone = async {
            let stream = self.jetstream().get_stream_no_info(subject::JOBS).await?;
            stream.delete_message(job.sequence).await?;
            Ok::<_, async_nats::Error>(())
        };
        if let Err(error) = gone.await {
            tracing::warn!(%error, sequence = job.sequence, "a dead job stays in the stream");
        }
    }

    async fn handed_out(&self) -> Result<HandedOut, QueueError> {
        let consumers = in_time(self.consumers()).await?;
        let up_to = |(name, info): (_, async_nats::jetstream::consumer::Info)| {
            (name, info.delivered.stream_sequence)
        };
        Ok(HandedOut(consumers.into_iter().map(up_to).collect()))
    }
}

/// Whether a message holds jobs of the kind that is asked for.
fn is_of(found: &Found, only: &Only) -> bool {
    let kind = JobAddress::parse(&found.subject).map(|it| it.kind);
    only.kind.is_none() || only.kind.as_deref() == kind
}

/// A job, as far as it has to be read to know it.
#[derive(Deserialize)]
struct Named {
    id: Uuid,
}

/// Which part of a message is the job `id`.
fn part_of(body: &[u8], id: Uuid) -> Option<usize> {
    if !body.starts_with(b"[") {
        return serde_json::from_slice::<Named>(body).is_ok_and(|job| job.id == id).then_some(0);
    }
    match serde_json::from_slice::<Vec<Named>>(body) {
        Ok(jobs) => jobs.iter().position(|job| job.id == id),
        Err(_) => parts(body).iter().position(|job| job.as_ref().is_some_and(|job| job.id == id)),
    }
}

/// The jobs of a message: one, or those of a pack; none for what is no job.
fn parts(body: &[u8]) -> Vec<Option<Envelope>> {
    if !body.starts_with(b"[") {
        return vec![serde_json::from_slice(body).ok()];
    }
    match serde_json::from_slice::<Vec<Value>>(body) {
        Ok(parts) if !parts.is_empty() => {
            parts.into_iter().map(|part| serde_json::from_value(part).ok()).collect()
        }
        _ => vec![None],
    }
}

/// What a worker reports: the job as it came, and of a program's its queue.
#[derive(Deserialize)]
struct Report {
    #[serde(default = "images")]
    queue: String,
    job: Envelope,
}

fn images() -> String {
    MakeVariants::QUEUE.to_owned()
}

/// The job `id`, where a message reports what came of it. The message is no other's to
/// take out of the stream, as if it were shared.
fn handed_in(found: &Found, id: Uuid) -> Option<Waiting> {
    JobAddress::parse(&found.subject).filter(|it| own::is_of_reports(it.queue))?;
    let report = |part: Envelope| part.payload.read::<Report>().ok();
    let Report { queue, job } =
        parts(&found.body).into_iter().flatten().filter_map(report).find(|it| it.job.id == id)?;
    let (stored, sequence) = (found.stored, found.sequence);
    let kind = job.kind.to_string();
    Some(Waiting { queue, kind, job: Some(job), stored, running: true, sequence, packed: true })
}

fn expanded(found: Found, running: bool) -> Vec<Waiting> {
    let Found { subject, sequence, stored, body } = found;
    let address = JobAddress::parse(&subject);
    let (queue, kind) = address.map_or(("", ""), |it| (it.queue, it.kind));
    let priority = address.map_or(Priority::Normal, |it| it.priority);
    let packed = body.starts_with(b"[");
    let one = |job: Option<Envelope>| {
        let (queue, kind) = (queue.to_owned(), kind.to_owned());
        let job = job.map(|job| Envelope { priority, ..job });
        Waiting { queue, kind, job, stored, running, sequence, packed }
    };
    parts(&body).into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Untyped;

    #[test]
    fn a_job_is_found_alone_in_a_pack_and_beside_what_is_none() {
        let jobs: Vec<Envelope> =
            (0..3).map(|n| Envelope::new("do", 1, Uuid::now_v7(), Untyped::of(&n))).collect();
        let pack = serde_json::to_vec(&jobs).unwrap();
        let stained = serde_json::to_vec(&(7, &jobs[1])).unwrap();
        let id = jobs[1].id;
        for (body, part) in [(jobs[1].to_json(), 0), (pack, 1), (stained, 1)] {
            assert_eq!(part_of(&body, id), Some(part));
            assert_eq!(parts(&body)[part].as_ref().map(|job| job.id), Some(id));
        }
        assert_eq!(part_of(b"[]", id), None);
        assert_eq!(parts(b"[]"), [None]);
    }
}
