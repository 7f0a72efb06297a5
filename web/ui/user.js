// @ts-check
/** What the site tells a visitor, or who is signed in, in all their windows. */

import { currentSession, onSession } from "./page-session.js";

/** @typedef {import("./live.js").Live} Live */

/**
 * What became of one's own comment.
 * @typedef {{id: string, post: string, status: "pending" | "approved" | "rejected",
 *   reason: string | null}} Decided
 */

/**
 * Follows what this browser is told, from the start of the page or from the
 * first comment on.
 * @param {Live} live  before it starts
 */
export function startUser(live) {
  const session = currentSession();
  const { dataset } = document.body;
  if (session) dataset.topics = `users.${session} ${dataset.topics ?? ""}`;
  onSession(live, (begun, cursor) => live.follow(`users.${begun}`, cursor));
}

/**
 * @param {Live} live
 * @param {string} action
 * @param {(payload: any) => void} listener
 */
export function onUserNews(live, action, listener) {
  live.on("users.*", ({ envelope }) => {
    const news = /** @type {{action: string, payload: unknown}} */ (envelope.payload);
    if (news.action === action) listener(news.payload);
  });
}
