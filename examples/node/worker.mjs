// Works the external queue `words`: counts the words of a text.
//
//     NATS_URL=nats://127.0.0.1:4222 node worker.mjs
//
// A text that is no string is refused for ever. One that holds "fail" fails, as if
// something that the work needs were away; "busy" asks for another attempt soon, and
// "later" puts the job off once. `seconds_each` makes each word take so long.

import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect, createInbox } from '@nats-io/transport-node';
import { envelope } from './enqueue.mjs';

const QUEUE = 'words';
// The first that has a job is asked first.
const CONSUMERS = [`${QUEUE}-high`, QUEUE, `${QUEUE}-low`];
// What an envelope has at least: docs/schemas/envelope.schema.json.
const REQUIRED = ['id', 'kind', 'version', 'time', 'cause', 'attempt', 'payload'];
// A message that nobody spoke of for 10 s is delivered again.
const HEARTBEAT_MS = 3000;
// A message that came so often without an outcome takes its worker away.
const DELIVERIES = 3;
// So long a pull waits where there is no job.
const WAIT_MS = 5000;
// Before it is tried again, when NATS is away or a consumer is not there.
const PAUSE_MS = 1000;

const client = await connect({ servers: process.env.NATS_URL, maxReconnectAttempts: -1 });
const bus = jetstream(client);

/** What came of a job: the outcome of docs/schemas/compute-result.schema.json. */
async function count(job, signal) {
  const text = job.payload?.text;
  if (typeof text !== 'string') return { refused: 'text is missing, or no string' };
  if (text.includes('fail')) return { failed: 'the dictionary is away' };
  if (text.includes('busy')) return { failed: 'the dictionary is busy', retry_after: '200ms' };
  if (text.includes('later') && job.attempt === 1) return { snoozed: '200ms' };
  const words = text.split(/\s+/).filter(Boolean).length;
  const each = job.payload.seconds_each;
  for (let done = 0; each && done < words; done += 1) {
    tellProgress(job, done / words);
    await sleep(each * 1000, undefined, { signal });
  }
  return { made: { words } };
}

/** Tells those who watch; nothing is kept. */
function tellProgress({ id, kind, attempt }, progress) {
  client.publish(`progress.${QUEUE}`, JSON.stringify({ job: id, kind, attempt, progress }));
}

/** Returns when it is on disk; the second of two with one id is stored once. */
async function store(kind, payload, cause, msgID) {
  const body = JSON.stringify(envelope(kind, payload, cause));
  await bus.publish(`jobs.results.${kind}`, body, { msgID, expect: { streamName: 'JOBS' } });
}

async function handIn(job, outcome) {
  const result = { queue: QUEUE, job, outcome };
  await store('compute', result, job.id, `${job.id}.${job.attempt}.result`);
}

/** What the subject that acknowledges a message says of it. */
function known(message) {
  const words = message.reply.split('.');
  const [stream, , deliveries, sequence, , nanos] = words.slice(words.length > 9 ? 4 : 2);
  return { stream, sequence, deliveries: Number(deliveries), seconds: nanos.slice(0, -9) };
}

/** Has Hearth keep what is no job, with its bytes, as a dead one. */
async function handInPoison(message, why) {
  const { stream, sequence, seconds } = known(message);
  // The time tells one life of the stream from another.
  const number = `${stream}.${sequence}.${seconds}`;
  const poison = {
    message: number,
    queue: QUEUE,
    kind: message.subject.split('.')[2],
    body: Buffer.from(message.data.subarray(0, 600_000)).toString('base64'),
    reason: `the message is no job: ${why}`,
  };
  await store('poison', poison, undefined, `poison.${number}`);
}

/** The jobs of a message: one, or those of a pack, which is an array; or why it has none. */
function read(message) {
  try {
    const body = message.json();
    const jobs = Array.isArray(body) ? body : [body];
    if (jobs.length === 0) return { why: 'its pack is empty' };
    for (const job of jobs) {
      if (typeof job !== 'object' || job === null) return { why: 'it is no object' };
      const missing = REQUIRED.find((field) => !(field in job));
      if (missing) return { why: `it has no ${missing}` };
    }
    return { jobs };
  } catch (error) {
    return { why: error.message };
  }
}

/** What the admin has cancelled, and what runs. */
const cancels = { asked: new Set(), running: new Map() };

function hear(error, message) {
  const word = error ? {} : message.json();
  if (word.do !== 'cancel') return;
  cancels.asked.add(word.job);
  // Of jobs that others work it hears too: it remembers the last of all.
  if (cancels.asked.size > 1000) cancels.asked.delete(cancels.asked.values().next().value);
  cancels.running.get(word.job)?.abort();
}

/** What comes of a job, or that it was cut off. */
async function outcome(job) {
  const controller = new AbortController();
  cancels.running.set(job.id, controller);
  if (cancels.asked.has(job.id)) controller.abort();
  try {
    controller.signal.throwIfAborted();
    return await count(job, controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    return 'cancelled';
  } finally {
    cancels.asked.delete(job.id);
    cancels.running.delete(job.id);
  }
}

/** Does the work, hands in the result, and only then acknowledges. */
async function work(message) {
  const { jobs, why } = read(message);
  if (!jobs) await handInPoison(message, why);
  for (const job of jobs ?? []) {
    const lost = known(message).deliveries > DELIVERIES;
    await handIn(job, lost ? { lost: 'its worker went away' } : await outcome(job));
  }
  // The answer confirms it.
  await client.request(message.reply, '+ACK', { timeout: WAIT_MS });
}

/** Asks each consumer for a message, until the first has come; gives what came. */
async function pull(names, how) {
  const [found, statuses] = [new Map(), []];
  let wake;
  const ask = (name) => {
    const inbox = createInbox();
    const callback = (error, message) => {
      const status = error ? 503 : (message.headers?.code ?? 0);
      if (status) statuses.push(status);
      else found.set(name, message);
      wake?.();
    };
    const subscription = client.subscribe(inbox, { callback });
    const body = JSON.stringify({ batch: 1, ...how });
    client.publish(`$JS.API.CONSUMER.MSG.NEXT.JOBS.${name}`, body, { reply: inbox });
    return subscription;
  };
  const asked = names.map(ask);
  // Without an answer the connection was another one: the pulls of before are forgotten.
  await new Promise((resume) => {
    const late = setTimeout(resume, WAIT_MS + PAUSE_MS);
    wake = () => {
      if (found.size === 0 && statuses.length < names.length) return;
      clearTimeout(late);
      resume();
    };
    wake();
  });
  // Who has gone is handed nothing; what is under way until then comes still.
  await Promise.all(asked.map((subscription) => subscription.drain()));
  // 404: no message. 408: none came in time.
  const wrong = statuses.find((status) => status !== 404 && status !== 408);
  if (wrong && found.size === 0) throw new Error(`a pull was answered with the status ${wrong}`);
  return names.filter((name) => found.has(name)).map((name) => found.get(name));
}

/** The next message, of the highest priority that has one; rarely others with it. */
async function take() {
  for (;;) {
    for (const name of CONSUMERS) {
      const found = await pull([name], { no_wait: true });
      if (found.length) return found;
    }
    const found = await pull(CONSUMERS, { expires: WAIT_MS * 1_000_000 });
    if (found.length) return found;
  }
}

async function workNext() {
  const waiting = new Set(await take());
  const beat = () => waiting.forEach((message) => client.publish(message.reply, '+WPI'));
  const beating = setInterval(beat, HEARTBEAT_MS);
  try {
    for (const message of waiting) {
      await work(message);
      waiting.delete(message);
    }
  } finally {
    clearInterval(beating);
  }
}

client.subscribe('control.workers', { callback: hear });
for (;;) {
  try {
    await workNext();
  } catch (error) {
    // NATS is away, or Hearth's worker makes a consumer anew, which has the same name. What was
    // not acknowledged comes again.
    if (client.isClosed()) throw error;
    console.error(`the work goes on in ${PAUSE_MS} ms: ${error}`);
    await sleep(PAUSE_MS);
  }
}
