// BullMQ as a contestant of `./site bench queue`; bench/README.md tells the protocol.
//
//   node main.js work PORT EVERY
//   node main.js produce PORT

'use strict';

const { createInterface } = require('node:readline');
const { Queue, Worker } = require('bullmq');

const NAME = 'bench';
const LOT = 1000;
const CONCURRENCY = 64;
const PAYLOAD = { filler: 'x'.repeat(187) };

const now = () => process.hrtime.bigint();
const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);

async function work(connection, every) {
  const worker = new Worker(NAME, async () => {}, {
    connection,
    concurrency: CONCURRENCY,
    autorun: false,
  });
  worker.on('error', (error) => console.error(error));
  let done = 0;
  // Told after Redis has answered that the job is finished.
  worker.on('completed', () => {
    done += 1;
    if (done % every === 0) say('done', now());
  });
  await worker.waitUntilReady();
  say('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'go') worker.run().catch((error) => console.error(error));
  }
  process.exit(0);
}

async function produce(connection) {
  const queue = new Queue(NAME, { connection });
  await queue.waitUntilReady();
  say('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'settle') say('settled', now());
    else await enqueue(queue, Number(line));
  }
  process.exit(0);
}

async function enqueue(queue, jobs) {
  const begin = now();
  if (jobs === 1) await queue.add('noop', PAYLOAD);
  for (let sent = 0; jobs > 1 && sent < jobs; sent += LOT) {
    const length = Math.min(LOT, jobs - sent);
    await queue.addBulk(Array.from({ length }, () => ({ name: 'noop', data: PAYLOAD })));
  }
  say('begin', begin);
  say('enqueued', now());
}

const [role, port, every] = process.argv.slice(2);
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };
if (role === 'work') work(connection, Number(every));
else produce(connection);
