// @ts-check
/** Comments that appear, change and go while the page is open, and the form for them. */

import { CommentForm } from "./comments/form.js";
import { Posting } from "./comments/posting.js";
import { Thread } from "./comments/thread.js";

/** @typedef {import("./comments/item.js").Comment} Comment */
/** @typedef {import("./live.js").Live} Live */
/** @typedef {import("./outbox/outbox.js").Outbox} Outbox */

/**
 * @param {Live} live
 * @param {Outbox} outbox
 */
export function startComments(live, outbox) {
  const section = document.querySelector("[data-comments]");
  const list = section?.querySelector("[data-thread]");
  const form = section?.querySelector("[data-comment-form]");
  if (!(section instanceof HTMLElement) || !(list instanceof HTMLElement)) return;
  const { comments: post = "" } = section.dataset;
  const thread = new Thread(section, list);
  if (form instanceof HTMLFormElement) {
    const { mode = "" } = form.dataset;
    const posting = new Posting({ form: new CommentForm(section, form), thread, outbox, post, mode });
    void posting.start(section);
  }
  live.on(`comments.${post}`, ({ envelope }) => thread.apply(/** @type {Comment} */ (envelope.payload)));
  live.onReset(() => void thread.refresh());
}
