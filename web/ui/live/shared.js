// @ts-check
/** One connection for all tabs, held by a worker that they share. */

/** @typedef {import("./transport.js").Sink} Sink */
/** @typedef {import("./transport.js").Transport} Transport */
/** @typedef {import("./worker.js").Asked} Asked */
/** @typedef {import("./worker.js").Told} Told */

/** A worker that says nothing for so long does not run. */
const ANSWER_MS = 6000;

/** Whether this browser has what it takes. */
export function sharedSupported() {
  return typeof SharedWorker === "function";
}

/** @implements {Transport} */
export class SharedTransport {
  #stop = new AbortController();
  /** @type {Transport | null} what stands in for the worker */
  #other = null;
  /** @type {readonly string[]} */ #topics = [];
  #cursor = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #answer;
  /** @type {Sink} */ #sink;
  /** @type {() => Transport} */ #without;
  /** @type {() => Transport} */ #alone;
  /** @type {MessagePort} */ #port;

  /**
   * @param {Sink} sink
   * @param {string} name tabs of one name share a connection
   * @param {{without: () => Transport, alone: () => Transport}} others where
   *   the worker does not run, and where its connection is full
   */
  constructor(sink, name, { without, alone }) {
    this.#sink = sink;
    this.#without = without;
    this.#alone = alone;
    const worker = new SharedWorker(new URL("worker.js", import.meta.url), { type: "module", name });
    worker.addEventListener("error", () => this.#replace(this.#without));
    this.#port = worker.port;
    this.#port.onmessage = ({ data }) => this.#receive(data);
    this.#hold(`hearth-tab-${Math.random().toString(36).slice(2)}`);
  }

  /**
   * @param {readonly string[]} topics
   * @param {string} cursor
   */
  follow(topics, cursor) {
    this.#topics = [...topics];
    this.#cursor = cursor;
    if (this.#other) {
      this.#other.follow(topics, cursor);
    } else {
      this.#ask({ type: "follow", topics: this.#topics, cursor });
      clearTimeout(this.#answer);
      this.#answer = setTimeout(() => this.#replace(this.#without), ANSWER_MS);
    }
  }

  /**
   * Lets the worker know when this tab crashes.
   * @param {string} lock
   */
  #hold(lock) {
    const { signal } = this.#stop;
    const held = () => new Promise((resolve) => {
      this.#ask({ type: "hold", lock });
      signal.addEventListener("abort", resolve);
    });
    navigator.locks?.request(lock, { signal }, held).catch(() => {});
  }

  stop() {
    this.#leave();
    this.#other?.stop();
  }

  #leave() {
    clearTimeout(this.#answer);
    this.#ask({ type: "leave" });
    this.#stop.abort();
    this.#port.close();
  }

  /** @param {Asked} asked */
  #ask(asked) {
    this.#port.postMessage(asked);
  }

  /** @param {() => Transport} make */
  #replace(make) {
    if (this.#other || this.#stop.signal.aborted) return;
    this.#leave();
    this.#other = make();
    this.#other.follow(this.#topics, this.#cursor);
  }

  /** @param {Told} told */
  #receive(told) {
    clearTimeout(this.#answer);
    if (told.type === "event") {
      this.#cursor = told.event.id || this.#cursor;
      this.#sink.event(told.event);
    } else if (told.type === "reset") this.#sink.reset();
    else if (told.type === "state") this.#sink.state(told.state);
    else this.#replace(this.#alone);
  }
}
