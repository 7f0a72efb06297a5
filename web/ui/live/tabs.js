// @ts-check
/**
 * One connection for all tabs of this site: the tab that holds the lock leads,
 * follows what all of them watch, and hands the events round.
 */

import { Connection } from "./connection.js";
import { Switchboard } from "./switchboard.js";

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
  /** @type {Switchboard | null} where this tab leads */
  #board = null;
  /** @type {Connection | null} a connection for this tab alone */
  #alone = null;
  /** @type {State} */ #state = "waiting";
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #answer;
  /** @type {Sink} */ #sink;
  /** @type {string} */ #name;
  /** @type {BroadcastChannel} */ #channel;

  /**
   * @param {Sink} sink
   * @param {string} name tabs of one name share a connection
   */
  constructor(sink, name) {
    this.#sink = sink;
    this.#name = name;
    this.#channel = new BroadcastChannel(name);
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
    else if (this.#board) this.#board.join(this.#tab, topics, cursor);
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
    this.#board ??= new Switchboard(
      {
        event: (event) => this.#hand({ type: "event", event }),
        reset: () => this.#hand({ type: "reset" }),
        state: (state) => this.#hand({ type: "state", state }),
      },
      (tab) => this.#send({ type: "full", tab }),
    );
    this.#board.join(this.#tab, this.#topics, this.#cursor);
    this.#send({ type: "lead" });
    return new Promise((resolve) => this.#stop.signal.addEventListener("abort", resolve));
  }

  #retire() {
    this.#board?.stop();
    this.#board = null;
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
    if (this.#board) this.#serve(this.#board, message);
    else if (message.type === "lead") this.#announce();
    else if (message.type === "full") this.#sentAway(message.tab);
    else this.#deliver(message);
  }

  /**
   * @param {Switchboard} board
   * @param {Message} message what a leader hears
   */
  #serve(board, message) {
    if (message.type === "leave") board.leave(message.tab);
    else if (message.type === "follow") board.join(message.tab, message.topics, message.cursor);
    if (message.type === "ask" || message.type === "follow") this.#send({ type: "state", state: this.#state });
  }

  /** @param {string} tab that no longer fits into the leader's connection */
  #sentAway(tab) {
    if (tab !== this.#tab) return;
    clearTimeout(this.#answer);
    this.#alone = new Connection(this.#sink);
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
    if (this.#board || this.#alone || document.hidden || this.#topics.length === 0) return;
    this.#send({ type: "ask" });
    this.#await();
  }

  #await() {
    clearTimeout(this.#answer);
    if (document.hidden) return;
    this.#answer = setTimeout(() => {
      if (!this.#board) this.#steal();
    }, ANSWER_MS);
  }
}
