// @ts-check
/**
 * One connection for all tabs of this site: the tab that holds the lock leads,
 * follows what all of them watch, and hands the events round.
 */

import { SourceTransport } from "./source.js";
import { earlier, TOPICS_MAX } from "./transport.js";

/** @typedef {import("./transport.js").RawEvent} RawEvent */
/** @typedef {import("./transport.js").Sink} Sink */
/** @typedef {import("./transport.js").State} State */
/** @typedef {import("./transport.js").Transport} Transport */

/**
 * From a follower: `follow`, `leave`, `ask`. From the leader: the rest; `full`
 * sends a tab away to a connection of its own.
 * @typedef {{type: "follow", tab: string, topics: readonly string[], cursor: string}
 *   | {type: "leave", tab: string} | {type: "ask"} | {type: "lead"}
 *   | {type: "full", tab: string}
 *   | {type: "event", event: RawEvent} | {type: "reset"}
 *   | {type: "state", state: State}} Message
 */

/** A burst of tabs reopens the connection once. */
const GATHER_MS = 60;
/** What nobody watches any more is dropped with less haste: a tab that goes to
 * the next page leaves and comes back. */
const LEAVE_MS = 1500;
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
  /** @type {SourceTransport | null} a connection for this tab alone */
  #alone = null;
  /** @type {Map<string, readonly string[]>} what the other tabs watch */
  #others = new Map();
  /** @type {State} */ #state = "waiting";
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #gathering;
  #due = 0;
  /** Whether a tab may have missed what was handed round before it came. */
  #behind = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #answer;
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
    if (this.#alone) this.#alone.follow(topics, cursor);
    else if (this.#source) this.#gather(cursor);
    else this.#announce();
  }

  stop() {
    this.#send({ type: "leave", tab: this.#tab });
    this.#stop.abort();
    this.#retire();
    this.#alone?.stop();
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
    this.#alone?.stop();
    this.#alone = null;
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
    this.#gathering = undefined;
    this.#source?.stop();
    this.#source = null;
    this.#others.clear();
  }

  /**
   * Opens the connection anew if the union of topics has changed, or if a tab
   * stands before what was handed round; each page drops what it has seen.
   * @param {string} cursor
   * @param {number} [wait]
   */
  #gather(cursor, wait = GATHER_MS) {
    const source = this.#source;
    if (!source) return;
    const from = source.cursor ? earlier(source.cursor, cursor) : cursor;
    this.#behind ||= from !== source.cursor;
    source.cursor = from;
    const due = Date.now() + wait;
    if (this.#gathering !== undefined && this.#due <= due) return;
    clearTimeout(this.#gathering);
    this.#due = due;
    this.#gathering = setTimeout(() => this.#reopen(source), wait);
  }

  /** @param {SourceTransport} source */
  #reopen(source) {
    this.#gathering = undefined;
    const union = this.#union();
    if (this.#behind || !isSame(union, source.topics)) source.follow(union, source.cursor);
    this.#behind = false;
  }

  /** What all tabs watch; a tab that does not fit is sent away. */
  #union() {
    let union = new Set(this.#topics);
    for (const [tab, topics] of this.#others) {
      const larger = new Set([...union, ...topics]);
      if (larger.size <= TOPICS_MAX) {
        union = larger;
      } else {
        this.#others.delete(tab);
        this.#send({ type: "full", tab });
      }
    }
    return [...union];
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
    if (this.#topics.length === 0 || this.#alone) return;
    this.#send({ type: "follow", tab: this.#tab, topics: this.#topics, cursor: this.#cursor });
    this.#await();
  }

  /** @param {Message} message */
  #receive(message) {
    if (this.#alone) return;
    if (this.#source) this.#serve(message);
    else if (message.type === "lead") this.#announce();
    else if (message.type === "full") this.#sentAway(message.tab);
    else this.#deliver(message);
  }

  /** @param {Message} message what a leader hears */
  #serve(message) {
    if (message.type === "ask") this.#send({ type: "state", state: this.#state });
    if (message.type === "leave" && this.#others.delete(message.tab)) this.#gather(this.#cursor, LEAVE_MS);
    if (message.type !== "follow") return;
    this.#others.set(message.tab, message.topics);
    this.#gather(message.cursor);
    this.#send({ type: "state", state: this.#state });
  }

  /** @param {string} tab that no longer fits into the leader's connection */
  #sentAway(tab) {
    if (tab !== this.#tab) return;
    clearTimeout(this.#answer);
    this.#alone = new SourceTransport(this.#sink);
    this.#alone.follow(this.#topics, this.#cursor);
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
    if (this.#source || this.#alone || document.hidden || this.#topics.length === 0) return;
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

/**
 * @param {readonly string[]} some
 * @param {readonly string[]} others both without repetition
 */
function isSame(some, others) {
  return some.length === others.length && some.every((one) => others.includes(one));
}
