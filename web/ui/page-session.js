// @ts-check
/**
 * What the windows of this browser share for a day after a comment, so that the
 * site can tell them all what became of it: a random word, and no cookie.
 */

const STORED = "hearth-page-session";
const LIFE_MS = 24 * 3_600_000;

/**
 * `since` is where the window that began it stood: all it is told comes after.
 * @typedef {{session: string, since: string, until: number}} Session
 */

/** @type {((session: string, since: string) => void)[]} */
const listeners = [];
/** For a browser that stores nothing. @type {Session | null} */
let own = null;
/** Where this window stands. */
let place = { cursor: "" };

/** The session of now; empty where there is none. */
export function currentSession() {
  return kept()?.session ?? "";
}

/** The session, begun where there is none, and kept for another day. */
export function useSession() {
  const known = kept();
  const { session, since } = known ?? { session: fresh(), since: place.cursor };
  keep({ session, since, until: Date.now() + LIFE_MS });
  if (!known) tell({ session, since });
  return session;
}

/**
 * @param {{cursor: string}} stand  where the window is among the events
 * @param {(session: string, since: string) => void} listener called when a
 *   session begins, in any window
 */
export function onSession(stand, listener) {
  if (listeners.length === 0) addEventListener("storage", heard);
  place = stand;
  listeners.push(listener);
}

/** @param {StorageEvent} event */
function heard({ key }) {
  const begun = kept();
  if (key === STORED && begun) tell(begun);
}

/** @param {{session: string, since: string}} begun */
function tell({ session, since }) {
  for (const listener of listeners) listener(session, since);
}

/** @returns {Session | null} */
function kept() {
  try {
    const { session, since, until } = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    return typeof session === "string" && until > Date.now() ? { session, since: since ?? "", until } : own;
  } catch {
    return own;
  }
}

/** @param {Session} session */
function keep(session) {
  try {
    localStorage.setItem(STORED, JSON.stringify(session));
  } catch {
    own = session;
  }
}

/** Nobody can guess it, so that who knows it may listen. */
function fresh() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
