// @ts-check
/** One try of an endless stream: EventSource, and what it cannot tell by itself. */

/** @typedef {import("./transport.js").RawEvent} RawEvent */

/** A stream says hello at once; what is silent so long is held back on the way. */
const SILENCE_MS = 8000;
/** EventSource comes back by itself after a pause that the server names; where
 * that fails so often, it is up to whoever waits longer each time. */
const TRIES = 3;

/**
 * @typedef {object} Watcher
 * @property {() => void} opened
 * @property {() => void} cut  it comes back by itself
 * @property {() => void} failed  it does not
 * @property {() => void} silent  nothing gets through
 * @property {(event: RawEvent) => void} event
 * @property {(id: string) => void} reset
 */

export class Stream {
  /** @type {EventSource} */ #source;
  /** @type {Watcher} */ #watcher;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #silence;
  #failures = 0;

  /**
   * @param {URLSearchParams} query
   * @param {readonly string[]} topics
   * @param {Watcher} watcher
   */
  constructor(query, topics, watcher) {
    this.#watcher = watcher;
    this.#source = new EventSource(`/events?${query}&hello=1`);
    this.#source.onopen = () => this.#opened();
    this.#source.onerror = () => this.#error();
    this.#source.addEventListener("hello", () => this.#heard());
    this.#source.addEventListener("reset", ({ lastEventId }) => watcher.reset(lastEventId));
    for (const topic of topics) {
      this.#source.addEventListener(topic, ({ lastEventId, data }) => {
        watcher.event({ topic, id: lastEventId, data });
      });
    }
    this.#listen();
  }

  close() {
    clearTimeout(this.#silence);
    this.#source.close();
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#watcher.silent(), SILENCE_MS);
  }

  #opened() {
    this.#failures = 0;
    this.#listen();
  }

  #heard() {
    clearTimeout(this.#silence);
    this.#watcher.opened();
  }

  /** Any answer but 200 ends an EventSource for good. */
  #error() {
    clearTimeout(this.#silence);
    this.#failures += 1;
    const gone = this.#source.readyState === EventSource.CLOSED || this.#failures >= TRIES;
    if (gone) this.close();
    this.#watcher.cut();
    if (gone) this.#watcher.failed();
  }
}
