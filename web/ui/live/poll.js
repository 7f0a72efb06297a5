// @ts-check
/** Where no stream gets through: asked again and again, answered when there is something. */

import { parse } from "./sse.js";

/** The server answers at the latest after so long. */
const WAIT_S = 20;
/** A request that hangs for longer is dead. */
const DEAD_MS = (WAIT_S + 15) * 1000;

/**
 * @param {URLSearchParams} query
 * @param {AbortSignal} signal
 */
export async function poll(query, signal) {
  const wait = new URLSearchParams([...query, ["wait", String(WAIT_S)]]);
  const response = await fetch(`/events?${wait}`, {
    cache: "no-store",
    headers: { Accept: "text/event-stream" },
    signal: AbortSignal.any([signal, AbortSignal.timeout(DEAD_MS)]),
  });
  if (!response.ok) throw new Error(`/events: ${response.status}`);
  return parse(await response.text());
}
