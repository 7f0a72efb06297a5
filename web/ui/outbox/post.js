// @ts-check
/** One try to hand a comment to the server. */

import { useSession } from "../page-session.js";

/** @typedef {import("./store.js").Parcel} Parcel */

/**
 * What the server made of it. Who waits tries again; `since` tells whether the
 * server may have it already.
 * @typedef {{outcome: "sent", id: string}
 *   | {outcome: "refused", reason: string}
 *   | {outcome: "waits", reason: string, pause: number, unsure: boolean}} Answer
 */

const ANSWER_MS = 30_000;
/** How long the server knows an Idempotency-Key, less some. */
const KEY_LIFE_MS = 20 * 3_600_000;

export const OFFLINE = "waits for the network, and is sent by itself";
const BUSY = "waits, and is sent by itself: the site does not answer just now";
const STALE = "It may have been sent already: look whether it is here before you send it again.";

/**
 * @param {Parcel} parcel
 * @returns {Promise<Answer>}
 */
export async function post(parcel) {
  if (parcel.tried && Date.now() - parcel.tried > KEY_LIFE_MS) return { outcome: "refused", reason: STALE };
  if (!navigator.onLine) return { outcome: "waits", reason: OFFLINE, pause: 0, unsure: false };
  try {
    return await answer(await send(parcel));
  } catch {
    return { outcome: "waits", reason: OFFLINE, pause: 0, unsure: true };
  }
}

/** @param {Parcel} parcel */
function send({ action, key, draft }) {
  return fetch(action, {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json", "Idempotency-Key": key, "X-Page-Session": useSession() },
    body: JSON.stringify(draft, (name, value) => (name && value === "" ? undefined : value)),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
}

/**
 * @param {Response} response
 * @returns {Promise<Answer>}
 */
async function answer(response) {
  if (response.ok) return { outcome: "sent", id: (await response.json()).id };
  if (response.status === 429) {
    const seconds = Number(response.headers.get("Retry-After")) || 10;
    const reason = `waits ${seconds} s, and is sent by itself: that was much in a short time`;
    return { outcome: "waits", reason, pause: seconds * 1000, unsure: false };
  }
  if (response.status >= 500 || response.status === 408) {
    return { outcome: "waits", reason: BUSY, pause: 0, unsure: true };
  }
  return { outcome: "refused", reason: await words(response) };
}

/**
 * Why the server refused, in its own words.
 * @param {Response} response
 * @returns {Promise<string>}
 */
async function words(response) {
  const problem = await response.json().catch(() => ({}));
  return problem.detail || problem.title || "The site did not take the comment.";
}
