// Orders a job by publishing it to the JOBS stream.
//
//     NATS_URL=nats://127.0.0.1:4222 node enqueue.mjs words count '{"text": "one two"}'
//
// Prints the job's id once NATS has it on disk.

import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

/** A first attempt, made now. */
export function envelope(kind, payload, cause = randomUUID()) {
  const time = new Date().toISOString();
  return { id: randomUUID(), kind, version: 1, time, cause, attempt: 1, payload };
}

async function main(queue, kind, payload) {
  const job = envelope(kind, JSON.parse(payload));
  const client = await connect({ servers: process.env.NATS_URL });
  // A second publish of the same attempt is stored once.
  const options = { msgID: `${job.id}.${job.attempt}`, expect: { streamName: 'JOBS' } };
  await jetstream(client).publish(`jobs.${queue}.${kind}`, JSON.stringify(job), options);
  await client.close();
  console.log(job.id);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(...process.argv.slice(2));
