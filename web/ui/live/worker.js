// @ts-check
/** The shared worker: holds the one connection of all tabs that reach it. */

import { Switchboard } from "./switchboard.js";

/** @typedef {import("./transport.js").RawEvent} RawEvent */
/** @typedef {import("./transport.js").State} State */

/**
 * From a tab; what it says it holds is a lock, for as long as it lives.
 * @typedef {{type: "follow", topics: readonly string[], cursor: string}
 *   | {type: "hold", lock: string} | {type: "leave"}} Asked
 */
/**
 * To a tab; `full` sends it away to a connection of its own.
 * @typedef {{type: "event", event: RawEvent} | {type: "reset"} | {type: "full"}
 *   | {type: "state", state: State}} Told
 */
/** @typedef {{port: MessagePort, topics: readonly string[]}} Tab */

/** @type {Map<string, Tab>} */
const tabs = new Map();
/** @type {State} */
let state = "waiting";
let count = 0;

const board = new Switchboard(
  {
    event(event) {
      for (const { port, topics } of tabs.values()) if (topics.includes(event.topic)) tell(port, { type: "event", event });
    },
    reset() {
      for (const { port } of tabs.values()) tell(port, { type: "reset" });
    },
    state(now) {
      state = now;
      for (const { port } of tabs.values()) tell(port, { type: "state", state });
    },
  },
  (tab) => {
    const gone = tabs.get(tab);
    tabs.delete(tab);
    if (gone) tell(gone.port, { type: "full" });
  },
);

addEventListener("connect", (event) => {
  const [port] = /** @type {MessageEvent} */ (event).ports;
  count += 1;
  serve(String(count), port);
});

/**
 * @param {string} tab
 * @param {MessagePort} port
 */
function serve(tab, port) {
  port.onmessage = ({ data }) => {
    const asked = /** @type {Asked} */ (data);
    if (asked.type === "leave") {
      leave(tab);
    } else if (asked.type === "hold") {
      leaveWithLock(tab, asked.lock);
    } else {
      tabs.set(tab, { port, topics: asked.topics });
      tell(port, { type: "state", state });
      board.join(tab, asked.topics, asked.cursor);
    }
  };
}

/**
 * A tab that crashed says nothing, but its lock is free.
 * @param {string} tab
 * @param {string} lock
 */
function leaveWithLock(tab, lock) {
  navigator.locks?.request(lock, () => leave(tab)).catch(() => {});
}

/** @param {string} tab */
function leave(tab) {
  tabs.delete(tab);
  board.leave(tab);
}

/**
 * @param {MessagePort} port
 * @param {Told} told
 */
function tell(port, told) {
  port.postMessage(told);
}
