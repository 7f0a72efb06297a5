// @ts-check
/** Comments that appear, change and go while the page is open, and the form for them. */

import { CommentForm } from "./comments/form.js";
import { Posting } from "./comments/posting.js";
import { Thread } from "./comments/thread.js";
import { notify } from "./notices.js";
import { onUserNews } from "./user.js";

/** @typedef {import("./comments/item.js").Comment} Comment */
/** @typedef {import("./live.js").Live} Live */
/** @typedef {import("./outbox/outbox.js").Outbox} Outbox */
/** @typedef {import("./user.js").Decided} Decided */

/**
 * @param {Live} live
 * @param {Outbox} outbox
 */
export function startComments(live, outbox) {
  const thread = startThread(live, outbox);
  onUserNews(live, "comment", (/** @type {Decided} */ decided) => {
    if (!thread?.decide(decided)) tell(decided);
  });
}

/**
 * @param {Live} live
 * @param {Outbox} outbox
 */
function startThread(live, outbox) {
  const section = document.querySelector("[data-comments]");
  const list = section?.querySelector("[data-thread]");
  const form = section?.querySelector("[data-comment-form]");
  if (!(section instanceof HTMLElement) || !(list instanceof HTMLElement)) return null;
  const { comments: post = "" } = section.dataset;
  const thread = new Thread(section, list);
  if (form instanceof HTMLFormElement) {
    const { mode = "" } = form.dataset;
    const posting = new Posting({ form: new CommentForm(section, form), thread, outbox, post, mode });
    void posting.start(section);
  }
  live.on(`comments.${post}`, ({ envelope }) => thread.apply(/** @type {Comment} */ (envelope.payload)));
  live.onReset(() => void thread.refresh());
  return thread;
}

/**
 * In a window that does not show the comment.
 * @param {Decided} decided
 */
function tell({ id, post, status, reason }) {
  const href = `/posts/${encodeURIComponent(post)}#comment-${id}`;
  if (status === "approved") notify("Your comment is published.", { href, words: "Read it" });
  else if (status === "pending") notify("Your comment is held for moderation: it is kept, and waits for a look.");
  else notify(`Your comment was not published: ${reason}.`, undefined, "warning");
}
