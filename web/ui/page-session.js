// @ts-check
/**
 * What the windows of this browser share for a day after a comment, so that the
 * site can tell them all what became of it: a random word, and no cookie.
 */

const STORED = "hearth-page-session";
const LIFE_MS = 24 * 3_600_000;

/** @type {((session: string) => void)[]} */
const listeners = [];
/** For a browser that stores nothing. */
let own = "";

/** The session of now; empty where there is none. */
export function currentSession() {
  try {
    const { session, until } = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    return typeof session === "string" && until > Date.now() ? session : own;
  } catch {
    return own;
  }
}

/** The session, begun where there is none, and kept for another day. */
export function useSession() {
  const known = currentSession();
  const session = known || fresh();
  keep(session);
  if (!known) tell(session);
  return session;
}

/** @param {(session: string) => void} listener called when one begins, in any window */
export function onSession(listener) {
  if (listeners.length === 0) addEventListener("storage", heard);
  listeners.push(listener);
}

/** @param {StorageEvent} event */
function heard({ key }) {
  const session = currentSession();
  if (key === STORED && session) tell(session);
}

/** @param {string} session */
function tell(session) {
  for (const listener of listeners) listener(session);
}

/** @param {string} session */
function keep(session) {
  try {
    localStorage.setItem(STORED, JSON.stringify({ session, until: Date.now() + LIFE_MS }));
  } catch {
    own = session;
  }
}

/** Nobody can guess it, so that who knows it may listen. */
function fresh() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
