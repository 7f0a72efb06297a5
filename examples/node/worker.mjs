// Works the external queue `words`: counts the words of a text.
//
//     NATS_URL=nats://127.0.0.1:4222 node worker.mjs
//
// A text that is no string is refused for ever; one that holds "fail" fails, as
// if something that the work needs were away.

import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { envelope } from './enqueue.mjs';

const QUEUE = 'words';
// The first that has a job is asked first.
const CONSUMERS = [`${QUEUE}-high`, QUEUE, `${QUEUE}-low`];
// A message that nobody spoke of for 10 s is delivered again.
const HEARTBEAT_MS = 3000;
// A message that came so often without an outcome takes its worker away.
const DELIVERIES = 3;
// Before it is tried again, when NATS is away or a consumer is not there.
const PAUSE_MS = 1000;

/** What came of a job: the outcome of docs/schemas/compute-result.schema.json. */
function count(payload) {
  const text = payload?.text;
  if (typeof text !== 'string') return { refused: 'text is missing, or no string' };
  if (text.includes('fail')) return { failed: 'the dictionary is away' };
  return { made: { words: text.split(/\s+/).filter(Boolean).length } };
}

/** Returns when the result is on disk; the second of two is known by its id. */
async function handIn(bus, job, outcome) {
  const result = envelope('compute', { queue: QUEUE, job, outcome }, job.id);
  const options = { msgID: `${job.id}.${job.attempt}.result`, expect: { streamName: 'JOBS' } };
  await bus.publish('jobs.results.compute', JSON.stringify(result), options);
}

/** Has Hearth keep what is no job, with its bytes, as a dead one. */
async function handInPoison(bus, message, why) {
  const { stream, streamSequence, timestampNanos } = message.info;
  // The time tells one life of the stream from another.
  const number = `${stream}.${streamSequence}.${Math.floor(timestampNanos / 1e9)}`;
  const poison = envelope('poison', {
    message: number,
    queue: QUEUE,
    kind: message.subject.split('.')[2],
    body: Buffer.from(message.data.subarray(0, 600_000)).toString('base64'),
    reason: `the message is no job: ${why}`,
  });
  const options = { msgID: `poison.${number}`, expect: { streamName: 'JOBS' } };
  await bus.publish('jobs.results.poison', JSON.stringify(poison), options);
}

/** Does the work, hands in the result, and only then acknowledges. */
async function work(bus, message) {
  const beating = setInterval(() => message.working(), HEARTBEAT_MS);
  try {
    const body = message.json();
    const jobs = Array.isArray(body) ? body : [body]; // a pack is an array
    if (jobs.length === 0) throw new TypeError('its pack is empty');
    for (const job of jobs) {
      if (typeof job?.id !== 'string') throw new TypeError('it has no id');
      const lost = message.info.deliveryCount > DELIVERIES;
      const outcome = lost ? { lost: 'its worker went away' } : count(job.payload);
      await handIn(bus, job, outcome);
    }
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    await handInPoison(bus, message, error.message);
  } finally {
    clearInterval(beating);
  }
  await message.ackAck();
}

/** The next message, of the highest priority that has one. */
async function pull(consumers) {
  for (;;) {
    for (const consumer of consumers) {
      const message = await consumer.next({ expires: 1000 });
      if (message) return message;
    }
  }
}

const client = await connect({ servers: process.env.NATS_URL, maxReconnectAttempts: -1 });
const bus = jetstream(client);
// Hearth's worker makes the consumers; ours only binds to them.
const consumers = await Promise.all(CONSUMERS.map((name) => bus.consumers.get('JOBS', name)));
for (;;) {
  try {
    await work(bus, await pull(consumers));
  } catch (error) {
    // NATS is away, or Hearth's worker makes a consumer anew, which has the same name. What was
    // not acknowledged comes again.
    if (client.isClosed()) throw error;
    console.error(`the work goes on in ${PAUSE_MS} ms: ${error}`);
    await new Promise((resume) => setTimeout(resume, PAUSE_MS));
  }
}
