// @ts-check
/**
 * What carries events to this page. A transport follows topics from a cursor
 * and tells a sink what arrives; who holds the connection is its own affair.
 */

/** @typedef {"live" | "waiting"} State */

/**
 * An event as it came: `id` is the hub's cursor after it, `data` its envelope.
 * @typedef {{topic: string, id: string, data: string}} RawEvent
 */

/**
 * @typedef {object} Sink
 * @property {(event: RawEvent) => void} event
 * @property {() => void} reset  events were missed and cannot be replayed
 * @property {(state: State) => void} state
 */

/**
 * @typedef {object} Transport
 * @property {(topics: readonly string[], cursor: string) => void} follow
 *   starts, or changes what is followed
 * @property {() => void} stop
 */

/** The server refuses a connection with more. */
export const TOPICS_MAX = 64;

/**
 * `<epoch>-<sequence>`, or null for anything else.
 * @param {string} cursor
 */
export function parseCursor(cursor) {
  const match = /^(.*)-(\d+)$/.exec(cursor);
  return match ? { epoch: match[1], sequence: Number(match[2]) } : null;
}

/**
 * The earlier of two positions; `fallback` if they cannot be compared.
 * @param {string} fallback
 * @param {string} other
 */
export function earlier(fallback, other) {
  const [a, b] = [parseCursor(fallback), parseCursor(other)];
  return a && b && a.epoch === b.epoch && b.sequence < a.sequence ? other : fallback;
}
