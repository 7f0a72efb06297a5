// @ts-check
/** A comment as an element of the thread. */

import { localTime } from "../time.js";

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

/** @param {Comment} comment */
export function build(comment) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById("comment-template"));
  const item = /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild);
  /** @param {string} selector */
  const part = (selector) => /** @type {HTMLElement} */ (item.querySelector(selector));
  name(item, comment.id);
  part("article").dataset.status = comment.status;
  part(".comment-author").textContent = comment.author;
  part(".badge").hidden = !comment.by_admin;
  part("time").setAttribute("datetime", comment.created_at);
  part("time").textContent = localTime(comment.created_at);
  part(".comment-body").innerHTML = comment.html;
  part(".comment-reply").dataset.replyAuthor = comment.author;
  return item;
}

/**
 * Everything that has the comment's id in it.
 * @param {Element} item
 * @param {string} id
 */
export function name(item, id) {
  const article = item.querySelector(":scope > article");
  if (!article) return;
  article.id = `comment-${id}`;
  article.querySelector(".comment-time")?.setAttribute("href", `#comment-${id}`);
  const reply = article.querySelector(".comment-reply");
  if (!(reply instanceof HTMLElement)) return;
  reply.setAttribute("href", `?reply=${encodeURIComponent(id)}#comment-form`);
  reply.dataset.reply = id;
}

/**
 * What the article says of its state; no words hide them.
 * @param {Element | null} article
 * @param {string} status
 * @param {string} words
 */
export function mark(article, status, words) {
  const state = article?.querySelector(".comment-state");
  if (!(article instanceof HTMLElement) || !(state instanceof HTMLElement)) return;
  article.dataset.status = status;
  state.textContent = words;
  state.hidden = words === "";
}

/**
 * What its author can do with a comment that is not with the server.
 * @param {Element | null} article
 * @param {string} key  empty where there is nothing to do
 * @param {boolean} editable
 */
export function offer(article, key, editable) {
  for (const button of article?.querySelectorAll("[data-discard], [data-edit]") ?? []) {
    if (!(button instanceof HTMLElement)) continue;
    button.hidden = key === "" || ("edit" in button.dataset && !editable);
    if ("edit" in button.dataset) button.dataset.edit = key;
    else button.dataset.discard = key;
  }
}

/**
 * The typed text as paragraphs, until the server's HTML arrives.
 * @param {string} text
 */
export function paragraphs(text) {
  return text
    .split(/\n{2,}/)
    .map((part) => {
      const paragraph = document.createElement("p");
      paragraph.textContent = part;
      return paragraph.outerHTML;
    })
    .join("");
}
