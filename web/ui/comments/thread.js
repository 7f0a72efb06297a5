// @ts-check
/** The comments of the page, and those that are on their way. */

import { fetchPage } from "../page.js";
import { localiseTimes } from "../time.js";
import { build, mark, name, offer, paragraphs } from "./item.js";

/** @typedef {import("./item.js").Comment} Comment */
/** @typedef {import("../outbox/store.js").Parcel} Parcel */
/** @typedef {import("../user.js").Decided} Decided */

/** @typedef {Comment["status"] | "slow"} Outcome */

/** A comment is checked in well under a second unless the worker is down. */
const PATIENCE_MS = 10_000;
/** Replies are nested so deep at most, as on the server: deeper ones stand beside
 * those that they answer. */
const DEPTH = 6;
const ON_ITS_WAY = "on its way…";
const SLOW = "accepted, waits for its check";
const HELD = "held for moderation: it is kept, and waits for a look before it appears";

export class Thread {
  /** @type {HTMLElement} */ #section;
  /** @type {HTMLElement} */ #list;
  /** @type {Map<string, Comment | undefined>} those sent from this page, by id */
  #mine = new Map();
  /** @type {Map<string, Comment>} those that the server has not answered, by their key */
  #local = new Map();
  /** @type {Map<string, (outcome: Outcome) => void>} who waits for the word on a comment */
  #awaited = new Map();
  /** @type {Map<string, Decided>} by id: the word on a comment may be faster than
   * the answer to the request that sent it */
  #decided = new Map();

  /**
   * @param {HTMLElement} section
   * @param {HTMLElement} list
   */
  constructor(section, list) {
    this.#section = section;
    this.#list = list;
  }

  /** @param {Comment} comment as it is now */
  apply(comment) {
    this.#adopt(comment);
    const there = this.#item(comment.id);
    if (comment.status === "approved") this.#show(comment, there);
    else if (comment.status === "rejected") this.#remove(comment, there);
    this.#count();
  }

  /**
   * Takes the word on one's own comment, wherever it was written; one that is
   * published has come before, as everybody's.
   * @param {Decided} decided
   * @returns {boolean} whether this window shows it, or may soon
   */
  decide(decided) {
    const { id, status } = decided;
    this.#decided.set(id, decided);
    const awaited = this.#awaited.get(id);
    awaited?.(status);
    this.#markDecided(id);
    this.#count();
    return awaited !== undefined || this.#item(id) !== null || this.#local.size > 0;
  }

  /** @param {string} id of one's own comment */
  #markDecided(id) {
    const decided = this.#decided.get(id);
    if (!this.#mine.has(id) || !decided || decided.status === "approved") return;
    const words = decided.status === "pending" ? HELD : refused(decided.reason);
    mark(this.#article(id), decided.status, words);
  }

  /**
   * What becomes of a comment that the server has.
   * @param {string} id
   * @returns {Promise<Outcome>}
   */
  outcome(id) {
    const decided = this.#decided.get(id);
    if (decided) return Promise.resolve(decided.status);
    if (this.#item(id)) return Promise.resolve("approved");
    return new Promise((resolve) => {
      this.#awaited.set(id, resolve);
      setTimeout(() => resolve("slow"), PATIENCE_MS);
    }).finally(() => this.#awaited.delete(id));
  }

  /**
   * Shows a comment that the server does not have yet.
   * @param {Parcel} parcel
   * @param {"pending" | "approved"} status
   * @param {string} words
   */
  expect(parcel, status, words) {
    if (!this.#local.has(parcel.key)) this.#insert(parcel);
    const article = this.#article(local(parcel.key));
    mark(article, status, words);
    offer(article, "", false);
    this.#count();
  }

  /**
   * Says why a comment is not with the server, and what can be done.
   * @param {Parcel} parcel
   * @param {"waiting" | "failed"} status
   * @param {string} words
   */
  hold(parcel, status, words) {
    this.expect(parcel, "pending", "");
    const article = this.#article(local(parcel.key));
    mark(article, status, words);
    offer(article, parcel.key, status === "failed");
    this.#announce(`Your comment: ${words}`);
    this.#count();
  }

  /**
   * The server has it, under this id.
   * @param {string} key
   * @param {string} id
   */
  settle(key, id) {
    const [item, comment] = [this.#item(local(key)), this.#local.get(key)];
    this.#local.delete(key);
    this.#mine.set(id, comment && { ...comment, id });
    if (!item) return;
    if (this.#item(id)) {
      item.remove();
      return;
    }
    name(item, id);
    const article = this.#article(id);
    const done = article?.dataset.status === "approved";
    offer(article, "", false);
    if (!done) mark(article, "pending", ON_ITS_WAY);
    this.#markDecided(id);
    this.#count();
    setTimeout(() => this.#slow(id), PATIENCE_MS);
  }

  /** @param {string} key of a comment that is taken back */
  drop(key) {
    this.#item(local(key))?.remove();
    this.#local.delete(key);
    this.#count();
  }

  /** @param {string} key */
  focus(key) {
    this.#article(local(key))?.focus();
  }

  /** Events were missed: takes the thread from the page as it is now. */
  async refresh() {
    const page = await fetchPage();
    const fresh = page?.querySelector("[data-thread]");
    if (!fresh) return;
    localiseTimes(fresh);
    this.#section.dispatchEvent(new CustomEvent("thread:replace"));
    const own = this.#undecided();
    this.#list.replaceChildren(...[...fresh.children].map((item) => document.importNode(item, true)));
    for (const { comment, item } of own) if (!this.#item(comment.id)) this.#place(item, comment);
    this.#count();
  }

  /** One's own comments that the server's page does not have. */
  #undecided() {
    const own = [...this.#local.values(), ...this.#mine.values()].filter((comment) => comment !== undefined);
    return own.flatMap((comment) => {
      const item = this.#item(comment.id);
      const approved = this.#article(comment.id)?.dataset.status === "approved";
      return item && (!approved || !this.#mine.has(comment.id)) ? [{ comment, item }] : [];
    });
  }

  /** @param {Parcel} parcel */
  #insert({ key, post, draft, written }) {
    /** @type {Comment} */
    const comment = {
      id: local(key),
      post,
      parent: draft.parent || null,
      author: draft.author.trim(),
      body: draft.body.replaceAll("\r\n", "\n").trim(),
      html: paragraphs(draft.body.trim()),
      status: "pending",
      created_at: new Date(written).toISOString(),
    };
    this.#local.set(key, comment);
    this.#place(build(comment), comment);
  }

  /**
   * The event of one's own comment may be faster than the answer.
   * @param {Comment} comment
   */
  #adopt(comment) {
    if (this.#item(comment.id) || this.#mine.has(comment.id)) return;
    const same = (/** @type {Comment} */ one) =>
      one.author === comment.author && one.body === comment.body && one.parent === comment.parent;
    const [key] = [...this.#local].find(([, one]) => same(one)) ?? [];
    if (key) this.settle(key, comment.id);
  }

  /** @param {string} id of a comment that should have been decided by now */
  #slow(id) {
    const state = this.#article(id)?.querySelector(".comment-state");
    if (state?.textContent === ON_ITS_WAY) state.textContent = SLOW;
  }

  /**
   * @param {Comment} comment
   * @param {Element | null} there
   */
  #show(comment, there) {
    const item = build(comment);
    const article = item.querySelector("article");
    if (there) {
      const shown = there.querySelector(":scope > article");
      const focused = shown === document.activeElement;
      if (article && shown) shown.replaceWith(article);
      if (focused) article?.focus({ preventScroll: true });
    } else {
      this.#place(item, comment);
      this.#announce(`New comment by ${comment.author}`);
    }
    if (article && !this.#mine.has(comment.id)) article.dataset.fresh = "";
  }

  /**
   * Replies of a comment that goes move up to where it was.
   * @param {Comment} comment
   * @param {Element | null} there
   */
  #remove(comment, there) {
    if (!there) return;
    if (this.#mine.has(comment.id)) {
      mark(this.#article(comment.id), "rejected", refused(null));
      return;
    }
    this.#section.dispatchEvent(new CustomEvent("thread:replace"));
    there.replaceWith(...(there.querySelector(":scope > .replies")?.children ?? []));
  }

  /**
   * Under its parent if that is here, among its siblings by id: ids are in the
   * order of time. Those without an id of the server's come last, as written.
   * @param {Element} item
   * @param {Comment} comment
   */
  #place(item, comment) {
    const list = this.#listOf(comment.parent);
    const id = `comment-${comment.id}`;
    const later = (/** @type {Element} */ sibling) => {
      const other = sibling.querySelector(":scope > article")?.id;
      return other !== undefined && other > id;
    };
    const isLocal = comment.id.startsWith(local(""));
    list.insertBefore(item, isLocal ? null : [...list.children].find(later) ?? null);
  }

  /**
   * The list that replies to `parent` stand in.
   * @param {string | null} parent
   */
  #listOf(parent) {
    const item = parent ? this.#item(parent) : null;
    if (!item) return this.#list;
    let depth = 1;
    for (let up = item.parentElement; up && up !== this.#list; up = up.parentElement) {
      if (up.matches(".replies")) depth += 1;
    }
    const list = depth < DEPTH ? item.querySelector(":scope > .replies") : item.parentElement;
    return list ?? this.#list;
  }

  /** @param {string} id */
  #article(id) {
    const article = document.getElementById(`comment-${id}`);
    return article && this.#list.contains(article) ? article : null;
  }

  /** @param {string} id */
  #item(id) {
    return this.#article(id)?.closest(".comment-item") ?? null;
  }

  #count() {
    const count = this.#section.querySelector("[data-comment-count]");
    const shown = this.#list.querySelectorAll('.comment[data-status="approved"]').length;
    if (count) count.textContent = String(shown);
  }

  /** @param {string} words for screen readers */
  #announce(words) {
    const region = this.#section.querySelector("[data-comments-announce]");
    if (region) region.textContent = words;
  }
}

/** @param {string | null} reason */
function refused(reason) {
  return reason ? `not accepted: ${reason}` : "not accepted";
}

/**
 * The id of a comment that has none of the server's: it sorts after those.
 * @param {string} key
 */
function local(key) {
  return `local-${key}`;
}
