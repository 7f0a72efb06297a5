// @ts-check
/**
 * Comments that were written and are not with the server yet: kept in the
 * browser, sent in their order by one tab at a time, once each.
 */

import { post } from "./post.js";
import { openStore } from "./store.js";

/** @typedef {import("./store.js").Parcel} Parcel */

/**
 * What became of a comment; `own` in the tab that sent it.
 * @typedef {{type: "sent", key: string, id: string}
 *   | {type: "refused", parcel: Parcel, reason: string}
 *   | {type: "waits", parcel: Parcel, reason: string}
 *   | {type: "discarded", key: string}} News
 */
/** @typedef {(news: News, own: boolean) => void} Listener */

const NAME = "hearth-outbox";
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

export class Outbox {
  #store = openStore();
  /** @type {Listener[]} */ #listeners = [];
  /** @type {BroadcastChannel | null} */
  #channel = typeof BroadcastChannel === "function" ? new BroadcastChannel(NAME) : null;
  /** @type {Promise<unknown>} */ #turn = Promise.resolve();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #failures = 0;

  /** Sends what waits, now and whenever the network is back. */
  start() {
    if (this.#channel) this.#channel.onmessage = ({ data }) => this.#tell(data, false);
    addEventListener("online", () => void this.flush());
    void this.flush();
  }

  /** @param {Listener} listener */
  onNews(listener) {
    this.#listeners.push(listener);
  }

  /**
   * What waits below a post, or was refused; oldest first.
   * @param {string} post
   */
  async of(post) {
    return (await (await this.#store).all()).filter((parcel) => parcel.post === post);
  }

  /** @param {Parcel} parcel */
  async add(parcel) {
    await (await this.#store).put(parcel);
    void this.flush();
  }

  /**
   * Takes a comment back, unless it went out before.
   * @param {string} key
   */
  async discard(key) {
    await this.#alone(async () => {
      const store = await this.#store;
      if (!(await store.get(key))) return;
      await store.remove(key);
      this.#spread({ type: "discarded", key });
    });
  }

  async flush() {
    clearTimeout(this.#timer);
    await this.#alone(() => this.#send());
  }

  async #send() {
    const store = await this.#store;
    const parcels = (await store.all()).filter(({ refused }) => !refused);
    for (const [at, parcel] of parcels.entries()) {
      const answer = await post(parcel);
      if (answer.outcome === "sent") {
        await store.remove(parcel.key);
        this.#spread({ type: "sent", key: parcel.key, id: answer.id });
      } else if (answer.outcome === "refused") {
        await store.put({ ...parcel, refused: answer.reason });
        this.#spread({ type: "refused", parcel, reason: answer.reason });
      } else {
        if (answer.unsure) await store.put({ ...parcel, tried: parcel.tried ?? Date.now() });
        for (const one of parcels.slice(at)) this.#spread({ type: "waits", parcel: one, reason: answer.reason });
        this.#later(answer.pause);
        return;
      }
      this.#failures = 0;
    }
  }

  /** @param {number} least */
  #later(least) {
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), least + longest * (0.5 + Math.random() / 2));
  }

  /**
   * One tab at a time; where tabs cannot agree, the keys keep a comment single.
   * @param {() => Promise<void>} work
   */
  #alone(work) {
    const turn = () => (navigator.locks ? navigator.locks.request(NAME, work) : work());
    this.#turn = this.#turn.then(turn, turn);
    return this.#turn;
  }

  /** @param {News} news to this tab and to the others */
  #spread(news) {
    this.#channel?.postMessage(news);
    this.#tell(news, true);
  }

  /**
   * @param {News} news
   * @param {boolean} own
   */
  #tell(news, own) {
    for (const listener of this.#listeners) listener(news, own);
  }
}
