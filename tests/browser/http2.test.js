// @ts-check
/** Events over HTTP/2, through Caddy with the site's own Caddyfile. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";

import { useCaddy } from "./support/caddy.js";
import { publish } from "./support/nats.js";
import { useSite } from "./support/site.js";
import { until } from "./support/until.js";

/** @typedef {import("node:http2").ClientHttp2Session} Session */

const STREAMS = 50;
/** From its publish to the first who watches. */
const UNBUFFERED_MS = 1000;
/** A heartbeat comes each 25 s. */
const HEARTBEAT_MS = 40_000;

/** One stream of events, and what came on it so far. */
class Stream {
  text = "";
  /** @type {import("node:http2").IncomingHttpHeaders} */
  headers = {};

  /**
   * @param {Session} session
   * @param {string} query
   * @param {Record<string, string>} [headers]
   */
  constructor(session, query, headers = {}) {
    const path = `/events?${query}`;
    this.request = session.request({ ":path": path, "accept-encoding": "gzip, zstd", ...headers });
    this.request.setEncoding("utf8").on("data", (text) => (this.text += text));
    this.request.on("error", () => {});
  }

  async begun() {
    [this.headers] = await once(this.request, "response");
    assert.equal(this.headers[":status"], 200);
    await this.has("retry: ");
    return this;
  }

  /** @param {string} part @param {number} [limit] */
  async has(part, limit) {
    await until(`${part} in a stream`, () => this.text.includes(part), limit);
    return Date.now();
  }

  /** The newest cursor. */
  get lastId() {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? "";
  }
}

describe("events over HTTP/2 through Caddy", () => {
  const site = useSite();
  const caddy = useCaddy(site);

  /** @param {string} slug @param {string} body */
  const tell = (slug, body) =>
    publish(site.json.nats_url, `events.comments.${slug}`, { payload: { body } });

  async function watching() {
    const metrics = await (await fetch(new URL("/metrics", site.json.ops.web))).text();
    return Number(/^live_connections (\d+)$/m.exec(metrics)?.[1]);
  }

  it("reach many streams of one connection unbuffered, and who leaves frees its place", async () => {
    const slug = await site.post();
    const session = await caddy.connect();
    const all = Array.from({ length: STREAMS }, () => new Stream(session, `topic=comments.${slug}`));
    await Promise.all(all.map((stream) => stream.begun()));
    await until("all of them", async () => (await watching()) === STREAMS);
    for (const { headers } of all) {
      assert.equal(headers["content-type"], "text/event-stream");
      assert.equal(headers["x-accel-buffering"], "no");
      assert.equal(headers["content-encoding"], undefined);
    }
    const told = Date.now();
    await tell(slug, "to all");
    const heard = await Promise.all(all.map((stream) => stream.has("to all")));
    const first = Math.min(...heard) - told;
    assert.ok(first < UNBUFFERED_MS, `the first heard of it after ${first} ms`);
    for (const stream of all.slice(1)) stream.request.close();
    await until("places", async () => (await watching()) === 1);
    await tell(slug, "to one");
    await all[0].has("to one");
    session.destroy();
    await until("all places", async () => (await watching()) === 0);
  });

  it("are resumed where another connection ended", async () => {
    const slug = await site.post();
    const query = `topic=comments.${slug}`;
    const first = await caddy.connect();
    const before = await new Stream(first, query).begun();
    await tell(slug, "heard");
    await before.has("heard");
    first.destroy();
    await tell(slug, "missed");
    const second = await caddy.connect();
    const back = await new Stream(second, query, { "last-event-id": before.lastId }).begun();
    await back.has("missed");
    assert.ok(!back.text.includes("heard"), back.text);
    second.destroy();
  });

  it("keep a silent stream alive by heartbeats, and log no token", async () => {
    const session = await caddy.connect();
    const refused = new Stream(session, "topic=blogroll&token=a-secret-word");
    const [headers] = await once(refused.request, "response");
    assert.equal(headers[":status"], 401);
    const silent = await new Stream(session, "topic=comments.nobody-writes").begun();
    await silent.has("\n:\n\n", HEARTBEAT_MS);
    session.destroy();
    await until("log of the request", () => caddy.log.includes("/events?topic=blogroll"));
    assert.ok(!caddy.log.includes("a-secret-word"), "the token is in Caddy's log");
  });
});
