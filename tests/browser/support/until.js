// @ts-check
/** Waiting on conditions: no test sleeps for a time that it hopes is enough. */

/** The pause between two looks. */
const PAUSE_MS = 25;

/**
 * Looks until `look` gives something, or fails after `limit` naming `what`.
 * @template T
 * @param {string} what
 * @param {() => T | Promise<T>} look
 * @param {number} [limit] milliseconds
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, look, limit = 15_000) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`no ${what} within ${limit} ms`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
