// @ts-check
/** A connection of one's own: EventSource, opened again after fatal errors. */

/** @typedef {import("./transport.js").Sink} Sink */
/** @typedef {import("./transport.js").Transport} Transport */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** After so long in the background the connection may be dead unnoticed. */
const STALE_MS = 5 * 60_000;

/** @implements {Transport} */
export class SourceTransport {
  /** @type {readonly string[]} */ topics = [];
  /** The position after the last event. */
  cursor = "";
  /** @type {EventSource | null} */ #source = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #failures = 0;
  #hiddenAt = 0;
  #listening = new AbortController();
  /** @type {Sink} */ #sink;

  /** @param {Sink} sink */
  constructor(sink) {
    this.#sink = sink;
    const { signal } = this.#listening;
    addEventListener("online", () => this.#open(), { signal });
    document.addEventListener("visibilitychange", () => this.#visibility(), { signal });
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
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #open() {
    this.#close();
    if (this.topics.length === 0) return;
    const query = new URLSearchParams(this.topics.map((topic) => ["topic", topic]));
    // Empty while the site has never reached NATS: then it answers with a reset.
    query.set("since", this.cursor);
    const source = new EventSource(`/events?${query}`);
    source.onopen = () => this.#opened();
    source.onerror = () => this.#failed(source);
    for (const topic of this.topics) {
      source.addEventListener(topic, (message) => {
        this.cursor = message.lastEventId || this.cursor;
        this.#sink.event({ topic, id: message.lastEventId, data: message.data });
      });
    }
    source.addEventListener("reset", (message) => {
      this.cursor = message.lastEventId || this.cursor;
      this.#sink.reset();
    });
    this.#source = source;
  }

  #opened() {
    this.#failures = 0;
    this.#sink.state("live");
  }

  /**
   * EventSource reconnects by itself after a cut; any answer but 200 ends it
   * for good, and then it is up to us.
   * @param {EventSource} source
   */
  #failed(source) {
    if (source !== this.#source) return;
    this.#sink.state("waiting");
    if (source.readyState !== EventSource.CLOSED) return;
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
    this.#failures += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), longest * (0.5 + Math.random() / 2));
  }

  #visibility() {
    if (document.hidden) {
      this.#hiddenAt = Date.now();
    } else if (this.#hiddenAt && Date.now() - this.#hiddenAt > STALE_MS) {
      this.#open();
    }
  }
}
