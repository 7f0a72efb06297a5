// @ts-check
/**
 * A connection of one's own, in a page or in a worker: a stream, and polling
 * where no stream gets through. It outlives cuts, sleep and being offline.
 */

import { poll } from "./poll.js";
import { Stream } from "./stream.js";

/** @typedef {import("./transport.js").Sink} Sink */
/** @typedef {import("./transport.js").Transport} Transport */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** Polling goes on for so long before a stream is tried again. */
const POLLING_MS = 10 * 60_000;
/** How often the clock is looked at. */
const LOOK_MS = 15_000;
/** A clock that jumps so far has slept, and the connection may be dead unnoticed. */
const SLEEP_MS = 2 * 60_000;

/** @implements {Transport} */
export class Connection {
  /** @type {readonly string[]} */ topics = [];
  /** The position after the last event. */
  cursor = "";
  /** @type {Stream | null} */ #stream = null;
  /** Ends the polling, or the present wait. */
  #trying = new AbortController();
  #failures = 0;
  #looked = Date.now();
  #listening = new AbortController();
  /** @type {Sink} */ #sink;

  /** @param {Sink} sink */
  constructor(sink) {
    this.#sink = sink;
    const { signal } = this.#listening;
    addEventListener("online", () => this.#open(), { signal });
    addEventListener("offline", () => sink.state("waiting"), { signal });
    const looking = setInterval(() => this.#look(), LOOK_MS);
    signal.addEventListener("abort", () => clearInterval(looking));
  }

  /**
   * @param {readonly string[]} topics
   * @param {string} cursor
   */
  follow(topics, cursor) {
    this.topics = [...topics];
    this.cursor = cursor;
    this.#failures = 0;
    this.#open();
  }

  stop() {
    this.#listening.abort();
    this.#close();
  }

  #close() {
    this.#trying.abort();
    this.#stream?.close();
    this.#stream = null;
  }

  #open() {
    this.#close();
    if (this.topics.length === 0) return;
    this.#trying = new AbortController();
    if (typeof EventSource === "function") this.#openStream();
    else void this.#poll(Infinity);
  }

  /** Empty while the site has never reached NATS: then it answers with a reset. */
  #query() {
    const query = new URLSearchParams(this.topics.map((topic) => ["topic", topic]));
    query.set("since", this.cursor);
    return query;
  }

  #openStream() {
    this.#stream = new Stream(this.#query(), this.topics, {
      opened: () => this.#works(),
      cut: () => this.#sink.state("waiting"),
      failed: () => void this.#later().then(() => this.#open(), ignore),
      silent: () => {
        this.#close();
        this.#trying = new AbortController();
        void this.#poll(Date.now() + POLLING_MS);
      },
      event: (event) => {
        this.cursor = event.id || this.cursor;
        this.#sink.event(event);
      },
      reset: (id) => this.#reset(id),
    });
  }

  #works() {
    this.#failures = 0;
    this.#sink.state("live");
  }

  /** @param {string} id of the place after the reset */
  #reset(id) {
    this.cursor = id || this.cursor;
    this.#sink.reset();
  }

  /** @param {number} until when a stream is tried again */
  async #poll(until) {
    const { signal } = this.#trying;
    while (!signal.aborted && Date.now() < until) {
      try {
        const { frames, id, retry } = await poll(this.#query(), signal);
        if (signal.aborted) return;
        this.#works();
        for (const { event, id: at, data } of frames) {
          if (event === "reset") this.#reset(at);
          else this.#sink.event({ topic: event, id: at, data });
        }
        this.cursor = id || this.cursor;
        await pause(retry || FIRST_WAIT_MS, signal);
      } catch {
        if (signal.aborted) return;
        this.#sink.state("waiting");
        // It was not the stream alone: what comes back may carry one again.
        await this.#later().catch(ignore);
        break;
      }
    }
    if (!signal.aborted) this.#open();
  }

  /** Waits twice as long each time, and never as long as another who waits. */
  #later() {
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
    this.#failures += 1;
    return pause(longest, this.#trying.signal);
  }

  #look() {
    const slept = Date.now() - this.#looked > SLEEP_MS;
    this.#looked = Date.now();
    if (slept) this.#open();
  }
}

/**
 * Half of `longest` at least.
 * @param {number} longest
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function pause(longest, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, longest * (0.5 + Math.random() / 2));
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

function ignore() {}
