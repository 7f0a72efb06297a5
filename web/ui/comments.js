// @ts-check
/** Comments that appear, change and go while the page is open. */

import { startCommentForm } from "./comment-form.js";
import { fetchPage } from "./page.js";
import { localiseTimes, localTime } from "./time.js";

/** @typedef {import("./live.js").Live} Live */

/**
 * A comment as the API gives it.
 * @typedef {object} Comment
 * @property {string} id
 * @property {string} post
 * @property {string | null} parent
 * @property {string} author
 * @property {string} body
 * @property {string} html sanitised by the server
 * @property {"pending" | "approved" | "rejected"} status
 * @property {string} created_at
 * @property {boolean} [by_admin]
 */

/** A comment is checked in well under a second unless the worker is down. */
const PATIENCE_MS = 10_000;
/** Replies are nested so deep at most, as on the server: deeper ones stand beside
 * those that they answer. */
const DEPTH = 6;
const ON_ITS_WAY = "on its way…";
const HELD = "held for moderation: it is kept, and waits for a look before it appears";

/** @param {Live} live */
export function startComments(live) {
  const section = document.querySelector("[data-comments]");
  const list = section?.querySelector("[data-thread]");
  if (!(section instanceof HTMLElement) || !(list instanceof HTMLElement)) return;
  const thread = new Thread(section, list);
  startCommentForm(section, thread);
  live.on(`comments.${section.dataset.comments}`, ({ envelope }) => {
    thread.apply(/** @type {Comment} */ (envelope.payload));
  });
  live.onReset(() => void thread.refresh());
}

/** The comments of the page. */
export class Thread {
  /** @type {HTMLElement} */ #section;
  /** @type {HTMLElement} */ #list;
  /** Ids of comments sent from this page. */
  #mine = new Set();
  /** Ids of held comments that are not here: the word on a comment may be
   * faster than the answer to the request that sent it. */
  #held = new Set();

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
    const there = this.#item(comment.id);
    if (comment.status === "approved") this.#show(comment, there);
    else if (comment.status === "rejected") this.#remove(comment, there);
    else if (there && this.#mine.has(comment.id)) this.mark(comment.id, "pending", HELD);
    else this.#held.add(comment.id);
    this.#count();
  }

  /**
   * Shows a comment that was just sent, until its event brings the real one.
   * @param {Comment} comment
   */
  expect(comment) {
    this.#mine.add(comment.id);
    if (this.#item(comment.id)) return;
    const item = this.#build(comment);
    this.#place(item, comment);
    this.mark(comment.id, "pending", this.#held.has(comment.id) ? HELD : ON_ITS_WAY);
    setTimeout(() => this.#slow(comment.id), PATIENCE_MS);
  }

  /** @param {string} id of a comment that should have been decided by now */
  #slow(id) {
    const state = this.#article(id)?.querySelector(".comment-state");
    if (state?.textContent === ON_ITS_WAY) state.textContent = "accepted, waits for its check";
  }

  /**
   * @param {string} id
   * @param {string} status
   * @param {string} words
   */
  mark(id, status, words) {
    const article = this.#article(id);
    const state = article?.querySelector(".comment-state");
    if (!article || !(state instanceof HTMLElement)) return;
    article.dataset.status = status;
    state.textContent = words;
    state.hidden = false;
  }

  /** Events were missed: takes the thread from the page as it is now. */
  async refresh() {
    const page = await fetchPage();
    const fresh = page?.querySelector("[data-thread]");
    if (!fresh) return;
    localiseTimes(fresh);
    this.#section.dispatchEvent(new CustomEvent("thread:replace"));
    this.#list.replaceChildren(...[...fresh.children].map((item) => document.importNode(item, true)));
    this.#count();
  }

  /**
   * @param {Comment} comment
   * @param {Element | null} there
   */
  #show(comment, there) {
    const item = this.#build(comment);
    const article = item.querySelector("article");
    if (there) {
      const shown = there.querySelector(":scope > article");
      if (article && shown) shown.replaceWith(article);
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
      this.mark(comment.id, "rejected", "not accepted");
      return;
    }
    this.#section.dispatchEvent(new CustomEvent("thread:replace"));
    there.replaceWith(...(there.querySelector(":scope > .replies")?.children ?? []));
  }

  /** @param {Comment} comment */
  #build(comment) {
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById("comment-template"));
    const item = /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild);
    /** @param {string} selector */
    const part = (selector) => /** @type {HTMLElement} */ (item.querySelector(selector));
    part("article").id = `comment-${comment.id}`;
    part("article").dataset.status = comment.status;
    part(".comment-author").textContent = comment.author;
    part(".badge").hidden = !comment.by_admin;
    part(".comment-time").setAttribute("href", `#comment-${comment.id}`);
    part("time").setAttribute("datetime", comment.created_at);
    part("time").textContent = localTime(comment.created_at);
    part(".comment-body").innerHTML = comment.html;
    const reply = part(".comment-reply");
    reply.setAttribute("href", `?reply=${encodeURIComponent(comment.id)}#comment-form`);
    reply.dataset.reply = comment.id;
    reply.dataset.replyAuthor = comment.author;
    return item;
  }

  /**
   * Under its parent if that is here, among its siblings by id: ids are in the
   * order of time.
   * @param {HTMLElement} item
   * @param {Comment} comment
   */
  #place(item, comment) {
    const list = this.#listOf(comment.parent);
    const id = `comment-${comment.id}`;
    const next = [...list.children].find((sibling) => {
      const other = sibling.querySelector(":scope > article")?.id;
      return other !== undefined && other > id;
    });
    list.insertBefore(item, next ?? null);
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
