// @ts-check
/** What carries events to three tabs, in browsers and behind proxies that can less and less. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { untilLive, useBrowser } from "./support/browser.js";
import { untilShows, write } from "./support/comments.js";
import { Connections } from "./support/connections.js";
import { useSite } from "./support/site.js";
import { until } from "./support/until.js";
import { useWires } from "./support/wire.js";

/** @typedef {import("playwright-core").BrowserContext} BrowserContext */
/** @typedef {import("playwright-core").Page} Page */

/** What a browser may lack, and the streams of three tabs in one that does. */
const BROWSERS = [
  { name: "a shared worker", lacks: [], streams: 1 },
  { name: "a tab that leads", lacks: ["SharedWorker"], streams: 1 },
  { name: "a stream each", lacks: ["SharedWorker", "BroadcastChannel"], streams: 3 },
  { name: "polling", lacks: ["SharedWorker", "BroadcastChannel", "EventSource"], streams: 0 },
];
const LEADING = BROWSERS[1].lacks;
/** A silent stream is given up before. */
const GIVEN_UP_MS = 30_000;

describe("three tabs over one wire", () => {
  const site = useSite();
  const visitors = useBrowser();
  const lay = useWires(site);

  /**
   * @param {string[]} lacks
   * @param {{holdsStreams?: boolean, count?: number}} [options]
   */
  async function open(lacks, { holdsStreams = false, count = 3 } = {}) {
    const slug = await site.post();
    const { wire, baseURL } = await lay();
    wire.holdsStreams = holdsStreams;
    const context = await visitors.enter(site, { baseURL });
    await context.addInitScript((names) => {
      for (const name of names) Reflect.deleteProperty(globalThis, name);
    }, lacks);
    const connections = new Connections(context);
    return { slug, wire, connections, context, tabs: await openTabs(context, slug, count) };
  }

  for (const { name, lacks, streams } of BROWSERS) {
    it(`see each comment once by ${name}, and after a cut`, async () => {
      const { slug, wire, tabs } = await open(lacks);
      for (const tab of tabs) await untilLive(tab);
      await until(`${streams} streams`, () => wire.streams === streams);
      await write(tabs[0], "Before the cut");
      await untilShows(tabs, ["Before the cut"]);
      wire.cut();
      await site.comment(slug, "During the cut");
      wire.mend();
      await untilShows(tabs, ["Before the cut", "During the cut"]);
      await until(`${streams} streams again`, () => wire.streams === streams);
      assert.equal(wire.polls > 0, streams === 0);
    });
  }

  it("see comments through a proxy that holds streams back", async () => {
    const { slug, wire, tabs } = await open([], { holdsStreams: true });
    await until("first poll", () => wire.polls > 0, GIVEN_UP_MS);
    await site.comment(slug, "By short answers");
    await untilShows(tabs, ["By short answers"]);
    for (const tab of tabs) await untilLive(tab);
    assert.equal(wire.streams, 0);
  });

  it("leave the shared worker as they close, and the last one ends the connection", async () => {
    const { slug, wire, tabs } = await open([]);
    await until("stream", () => wire.streams === 1);
    await tabs[0].close();
    await site.comment(slug, "To those that stay");
    await untilShows(tabs.slice(1), ["To those that stay"]);
    assert.equal(wire.streams, 1);
    await Promise.all(tabs.slice(1).map((tab) => tab.close()));
    await until("end of the stream", () => wire.streams === 0);
  });

  it("are served without a worker that does not load", async () => {
    const slug = await site.post();
    const context = await visitors.enter(site);
    await context.addInitScript(() => {
      const Worker = globalThis.SharedWorker;
      globalThis.SharedWorker = class extends Worker {
        /** @param {string | URL} url @param {string | WorkerOptions} [options] */
        constructor(url, options) {
          super(`${url}-missing`, options);
        }
      };
    });
    const tabs = await openTabs(context, slug);
    for (const tab of tabs) await untilLive(tab);
    await site.comment(slug, "Without the worker");
    await untilShows(tabs, ["Without the worker"]);
  });

  it("connect again after the machine slept", async () => {
    const { slug, context, connections, tabs } = await open(BROWSERS[2].lacks, { count: 0 });
    const page = await context.newPage();
    await page.clock.install();
    await page.goto(`/posts/${slug}`);
    await untilLive(page);
    assert.deepEqual([connections.opened, tabs.length], [1, 0]);
    await page.clock.fastForward("10:00");
    await until("new connection", () => connections.opened === 2);
    await site.comment(slug, "Good morning");
    await untilShows([page], ["Good morning"]);
    assert.equal(connections.holders.length, 1);
  });

  it("hold one connection, that of the tab which has the lock", async () => {
    const { slug, context, connections, tabs } = await open(LEADING);
    await until("single connection", () => connections.holders.length === 1);
    const locks = await tabs[0].evaluate(async () => {
      const { held = [], pending = [] } = await navigator.locks.query();
      const live = (/** @type {LockInfo} */ { name }) => name?.startsWith("hearth-live");
      return { held: held.filter(live).length, pending: pending.filter(live).length };
    });
    assert.deepEqual(locks, { held: 1, pending: 2 });

    const opened = connections.opened;
    const [fourth] = await openTabs(context, slug, 1);
    await untilLive(fourth);
    const why = "a tab of the same topics has the connection opened once more at most, for what came since its page was made";
    assert.ok(connections.opened <= opened + 1, why);
    assert.equal(connections.holders.length, 1);
  });

  it("lose nothing when the tab with the connection is closed", async () => {
    const { slug, connections, tabs } = await open(LEADING);
    await until("single connection", () => connections.holders.length === 1);
    const [leader] = connections.holders;
    const others = tabs.filter((tab) => tab !== leader);
    await site.comment(slug, "Before the tab closes");
    await Promise.all([leader.close(), site.comment(slug, "While the tab closes")]);
    await site.comment(slug, "After the tab closed");
    await untilShows(others, await until("three comments", async () => {
      /** @type {{items: {body: string}[]}} */
      const { items } = await site.api("GET", `/posts/${slug}/comments`);
      return items.length === 3 ? items.map(({ body }) => body) : null;
    }));
    await until("connection of another tab", () => connections.holders.length === 1);
    assert.ok(others.includes(connections.holders[0]));
  });
});

/**
 * @param {BrowserContext} context
 * @param {string} slug
 * @param {number} [count]
 */
async function openTabs(context, slug, count = 3) {
  /** @type {Page[]} */
  const tabs = [];
  for (let tab = 0; tab < count; tab += 1) {
    const page = await context.newPage();
    await page.goto(`/posts/${slug}`);
    tabs.push(page);
  }
  return tabs;
}
