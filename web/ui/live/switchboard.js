// @ts-check
/** Many tabs on one connection: it follows what all of them watch. */

import { Connection } from "./connection.js";
import { earlier, TOPICS_MAX } from "./transport.js";

/** @typedef {import("./transport.js").Sink} Sink */

/** A burst of tabs reopens the connection once. */
const GATHER_MS = 60;
/** What nobody watches any more is dropped with less haste: a tab that goes to
 * the next page leaves and comes back. */
const LEAVE_MS = 500;

export class Switchboard {
  #connection;
  /** @type {Map<string, readonly string[]>} what each tab watches */
  #tabs = new Map();
  /** @type {(tab: string) => void} */ #full;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #gathering;
  #due = 0;
  /** Where the tabs stood that came since the connection was opened: what they
   * follow anew may have happened while the burst was gathered. */
  #from = "";
  /** Whether a tab may have missed what was handed round before it came. */
  #behind = false;

  /**
   * @param {Sink} sink
   * @param {(tab: string) => void} full  called for a tab that does not fit
   */
  constructor(sink, full) {
    this.#connection = new Connection(sink);
    this.#full = full;
  }

  /**
   * @param {string} tab
   * @param {readonly string[]} topics
   * @param {string} cursor
   */
  join(tab, topics, cursor) {
    this.#tabs.set(tab, topics);
    const at = this.#connection.cursor;
    const from = at ? earlier(at, cursor) : cursor;
    this.#behind ||= from !== at;
    this.#from = this.#from ? earlier(this.#from, from) : from;
    this.#gather(GATHER_MS);
  }

  /** @param {string} tab */
  leave(tab) {
    if (this.#tabs.delete(tab)) this.#gather(LEAVE_MS);
  }

  stop() {
    clearTimeout(this.#gathering);
    this.#connection.stop();
  }

  /** @param {number} wait before the connection is opened anew */
  #gather(wait) {
    const due = Date.now() + wait;
    if (this.#gathering !== undefined && this.#due <= due) return;
    clearTimeout(this.#gathering);
    this.#due = due;
    this.#gathering = setTimeout(() => this.#reopen(), wait);
  }

  /** If the union of topics has changed, or if a tab stands before what was
   * handed round; each page drops what it has seen. */
  #reopen() {
    this.#gathering = undefined;
    const union = this.#union();
    const isSame = union.length === this.#connection.topics.length
      && union.every((topic) => this.#connection.topics.includes(topic));
    if (this.#behind || !isSame) this.#connection.follow(union, this.#from || this.#connection.cursor);
    this.#behind = false;
    this.#from = "";
  }

  /** What all tabs watch; a tab that does not fit is sent away. */
  #union() {
    /** @type {Set<string>} */
    let union = new Set();
    for (const [tab, topics] of this.#tabs) {
      const larger = new Set([...union, ...topics]);
      if (larger.size <= TOPICS_MAX) {
        union = larger;
      } else {
        this.#tabs.delete(tab);
        this.#full(tab);
      }
    }
    return [...union];
  }
}
