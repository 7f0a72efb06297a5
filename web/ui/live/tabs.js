// @ts-check
/**
 * One connection for all tabs of this site: the tab that holds the lock leads,
 * follows what all of them watch, and hands the events round.
 */

import { SourceTransport } from "./source.js";
import { earlier } from "./transport.js";

/** @typedef {import("./transport.js").RawEvent} RawEvent */
/** @typedef {import("./transport.js").Sink} Sink */
/** @typedef {import("./transport.js").State} State */
/** @typedef {import("./transport.js").Transport} Transport */

/**
 * From a follower: `follow`, `leave`, `ask`. From the leader: the rest.
 * @typedef {{type: "follow", tab: string, topics: readonly string[], cursor: string}
 *   | {type: "leave", tab: string} | {type: "ask"} | {type: "lead"}
 *   | {type: "event", event: RawEvent} | {type: "reset"}
 *   | {type: "state", state: State}} Message
 */

/** A burst of tabs reopens the connection once. */
const GATHER_MS = 60;
/** How often a visible follower makes sure that its leader lives. */
const ASK_MS = 20_000;
/** How long the leader may take to answer. */
const ANSWER_MS = 4000;

/** Whether this browser has what it takes. */
export function tabsSupported() {
  return typeof BroadcastChannel === "function" && "locks" in navigator;
}

/** @implements {Transport} */
export class TabsTransport {
  #tab = Math.random().toString(36).slice(2);
  /** @type {readonly string[]} */ #topics = [];
  #cursor = "";
  #stop = new AbortController();
  /** @type {SourceTransport | null} the connection, where this tab leads */
  #source = null;
  /** @type {Map<string, readonly string[]>} what the other tabs watch */
  #others = new Map();
  /** @type {State} */ #state = "waiting";
  /** @type {number | undefined} */ #gathering;
  /** @type {number | undefined} */ #answer;
  /** @type {Sink} */ #sink;
  /** @type {string} */ #name;
  /** @type {BroadcastChannel} */ #channel;

  /**
   * @param {Sink} sink
   * @param {string} scope tabs of one scope share a connection
   */
  constructor(sink, scope) {
    this.#sink = sink;
    this.#name = `hearth-live-${scope}`;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    const asking = setInterval(() => this.#ask(), ASK_MS);
    const { signal } = this.#stop;
    signal.addEventListener("abort", () => clearInterval(asking));
    document.addEventListener("visibilitychange", () => this.#ask(), { signal });
    this.#queue();
  }

  /**
   * @param {readonly string[]} topics
   * @param {string} cursor
   */
  follow(topics, cursor) {
    this.#topics = [...topics];
    this.#cursor = cursor;
    if (this.#source) this.#gather(cursor);
    else this.#announce();
  }

  stop() {
    this.#send({ type: "leave", tab: this.#tab });
    this.#stop.abort();
    this.#retire();
    clearTimeout(this.#answer);
    this.#channel.close();
  }

  /** Waits for its turn to lead, and leads until the page goes. */
  #queue() {
    const { signal } = this.#stop;
    navigator.locks.request(this.#name, { signal }, () => this.#lead()).catch(() => this.#requeue());
  }

  /** The leader does not answer: the lock is taken from it. */
  #steal() {
    navigator.locks.request(this.#name, { steal: true }, () => this.#lead()).catch(() => this.#requeue());
  }

  /** Somebody took the lock, or the page is going. */
  #requeue() {
    this.#retire();
    if (this.#stop.signal.aborted) return;
    this.#queue();
    this.#announce();
  }

  #lead() {
    if (this.#stop.signal.aborted) return undefined;
    this.#source ??= new SourceTransport({
      event: (event) => this.#hand({ type: "event", event }),
      reset: () => this.#hand({ type: "reset" }),
      state: (state) => this.#hand({ type: "state", state }),
    });
    this.#source.cursor = this.#cursor;
    this.#send({ type: "lead" });
    this.#gather(this.#cursor);
    return new Promise((resolve) => this.#stop.signal.addEventListener("abort", resolve));
  }

  #retire() {
    clearTimeout(this.#gathering);
    this.#source?.stop();
    this.#source = null;
    this.#others.clear();
  }

  /**
   * Opens the connection anew for the union of topics, from the earliest
   * position; each page drops what it has already seen.
   * @param {string} cursor
   */
  #gather(cursor) {
    const source = this.#source;
    if (!source) return;
    source.cursor = source.cursor ? earlier(source.cursor, cursor) : cursor;
    clearTimeout(this.#gathering);
    this.#gathering = setTimeout(() => {
      const union = new Set([...this.#topics, ...[...this.#others.values()].flat()]);
      source.follow([...union], source.cursor);
    }, GATHER_MS);
  }

  /** @param {Message} message to the other tabs and to this one */
  #hand(message) {
    this.#send(message);
    this.#deliver(message);
  }

  /** @param {Message} message */
  #send(message) {
    this.#channel.postMessage(message);
  }

  #announce() {
    if (this.#topics.length === 0) return;
    this.#send({ type: "follow", tab: this.#tab, topics: this.#topics, cursor: this.#cursor });
    this.#await();
  }

  /** @param {Message} message */
  #receive(message) {
    if (this.#source) this.#serve(message);
    else if (message.type === "lead") this.#announce();
    else this.#deliver(message);
  }

  /** @param {Message} message what a leader hears */
  #serve(message) {
    if (message.type === "ask") this.#send({ type: "state", state: this.#state });
    if (message.type === "leave") this.#others.delete(message.tab);
    if (message.type !== "follow") return;
    this.#others.set(message.tab, message.topics);
    const followed = new Set(this.#source?.topics);
    if (message.topics.some((topic) => !followed.has(topic))) this.#gather(message.cursor);
    this.#send({ type: "state", state: this.#state });
  }

  /** @param {Message} message what the page is to know */
  #deliver(message) {
    if (message.type === "event") this.#event(message.event);
    else if (message.type === "reset") this.#sink.reset();
    else if (message.type === "state") this.#enter(message.state);
    else return;
    clearTimeout(this.#answer);
  }

  /** @param {RawEvent} event */
  #event(event) {
    this.#cursor = event.id || this.#cursor;
    if (this.#topics.includes(event.topic)) this.#sink.event(event);
  }

  /** @param {State} state */
  #enter(state) {
    this.#state = state;
    this.#sink.state(state);
  }

  /** A page in front makes sure that somebody leads. */
  #ask() {
    if (this.#source || document.hidden || this.#topics.length === 0) return;
    this.#send({ type: "ask" });
    this.#await();
  }

  #await() {
    clearTimeout(this.#answer);
    if (document.hidden) return;
    this.#answer = setTimeout(() => {
      if (!this.#source) this.#steal();
    }, ANSWER_MS);
  }
}
