// @ts-check
/**
 * The live part of a page: what it follows, from where, and who wants to know.
 * The server writes topics and position into `<body data-topics data-cursor>`.
 */

import { Connection } from "./live/connection.js";
import { SharedTransport, sharedSupported } from "./live/shared.js";
import { TabsTransport, tabsSupported } from "./live/tabs.js";
import { earlier, parseCursor, TOPICS_MAX } from "./live/transport.js";

/** @typedef {import("./live/transport.js").RawEvent} RawEvent */
/** @typedef {import("./live/transport.js").Sink} Sink */
/** @typedef {import("./live/transport.js").State} State */
/** @typedef {import("./live/transport.js").Transport} Transport */

/**
 * @typedef {object} Envelope
 * @property {string} id
 * @property {string} kind
 * @property {number} version
 * @property {string} time
 * @property {string | null} cause
 * @property {number} attempt
 * @property {unknown} payload
 */

/** @typedef {{topic: string, envelope: Envelope}} LiveEvent */
/** @typedef {(event: LiveEvent) => void} Listener */

export class Live {
  /** @type {Map<string, Listener[]>} */ #listeners = new Map();
  /** @type {(() => void)[]} */ #resets = [];
  /** @type {((state: State) => void)[]} */ #states = [];
  /** @type {Map<string, {epoch: string, sequence: number}>} newest seen, by topic */
  #seen = new Map();
  /** @type {string[]} */ #topics = [];
  #cursor = "";
  /** @type {State | null} */ #state = null;
  /** @type {Transport | null} */ #transport = null;
  /** @type {(sink: Sink) => Transport} */ #connect;

  /** @param {(sink: Sink) => Transport} connect */
  constructor(connect) {
    this.#connect = connect;
  }

  /**
   * @param {string} topic exact, or a prefix that ends in `.*`
   * @param {Listener} listener
   */
  on(topic, listener) {
    this.#listeners.set(topic, [...(this.#listeners.get(topic) ?? []), listener]);
  }

  /** @param {() => void} listener called when events were missed for good */
  onReset(listener) {
    this.#resets.push(listener);
  }

  /** @param {(state: State) => void} listener called when it changes */
  onState(listener) {
    this.#states.push(listener);
  }

  /** Follows what the page names, until it is left; again when it comes back. */
  start() {
    const { topics = "", cursor = "" } = document.body.dataset;
    this.#cursor = cursor;
    this.#topics = words(topics).slice(0, TOPICS_MAX);
    this.#open();
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", ({ persisted }) => {
      if (persisted) this.#open();
    });
  }

  /** After the newest event that was seen here. */
  get cursor() {
    return this.#cursor;
  }

  /**
   * Follows more.
   * @param {string} topics separated by spaces
   * @param {string} cursor  a position before all that is to be heard of them
   */
  follow(topics, cursor) {
    const room = TOPICS_MAX - this.#topics.length;
    const fresh = words(topics).filter((topic) => !this.#topics.includes(topic)).slice(0, room);
    if (fresh.length === 0) return;
    const from = parseCursor(cursor);
    for (const topic of fresh) if (from) this.#seen.set(topic, from);
    this.#topics.push(...fresh);
    if (this.#transport) this.#transport.follow(this.#topics, this.#cursor ? earlier(this.#cursor, cursor) : cursor);
    else this.#open();
  }

  #open() {
    if (this.#topics.length === 0 || this.#transport) return;
    this.#transport = this.#connect({
      event: (event) => this.#receive(event),
      reset: () => this.#reset(),
      state: (state) => this.#enter(state),
    });
    const from = parseCursor(this.#cursor);
    for (const topic of this.#topics) if (from && !this.#seen.has(topic)) this.#seen.set(topic, from);
    this.#transport.follow(this.#topics, this.#cursor);
  }

  #close() {
    this.#transport?.stop();
    this.#transport = null;
    this.#state = null;
  }

  /** @param {State} state  a connection that is opened anew for more topics was never gone */
  #enter(state) {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of this.#states) listener(state);
  }

  /** @param {RawEvent} event */
  #receive(event) {
    if (!this.#isNew(event)) return;
    this.#cursor = event.id || this.#cursor;
    const envelope = /** @type {Envelope} */ (JSON.parse(event.data));
    for (const [pattern, listeners] of this.#listeners) {
      if (!matches(pattern, event.topic)) continue;
      for (const listener of listeners) listener({ topic: event.topic, envelope });
    }
  }

  /**
   * A connection shared by tabs may replay what this page has already shown.
   * @param {RawEvent} event
   */
  #isNew({ topic, id }) {
    const position = parseCursor(id);
    if (!position) return true;
    const seen = this.#seen.get(topic);
    if (seen && seen.epoch === position.epoch && position.sequence <= seen.sequence) return false;
    this.#seen.set(topic, position);
    return true;
  }

  #reset() {
    this.#seen.clear();
    for (const listener of this.#resets) listener();
  }
}

/** @param {string} text */
function words(text) {
  return [...new Set(text.split(/\s+/).filter(Boolean))];
}

/**
 * @param {string} pattern
 * @param {string} topic
 */
function matches(pattern, topic) {
  return pattern.endsWith(".*") ? topic.startsWith(pattern.slice(0, -1)) : pattern === topic;
}

/**
 * One connection for all tabs where the browser can share it, else one's own.
 * @param {Sink} sink
 * @returns {Transport}
 */
function connect(sink) {
  // Pages of one protocol talk with each other; a new one takes a new number.
  const name = `hearth-live-1-${document.body.dataset.scope ?? "site"}`;
  const alone = () => new Connection(sink);
  const without = () => (tabsSupported() ? new TabsTransport(sink, name) : alone());
  return sharedSupported() ? new SharedTransport(sink, name, { without, alone }) : without();
}

export const live = new Live(connect);
