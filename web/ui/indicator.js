// @ts-check
/** The quiet sign that tells whether the page is live. */

/** @typedef {import("./live.js").Live} Live */
/** @typedef {import("./live/transport.js").State} State */

/** A short gap is nobody's business: it is shown when it lasts. */
const PATIENCE_MS = 2500;

/** @type {Record<State, string>} */
const WORDS = { live: "Live", waiting: "Reconnecting…" };

/** @param {Live} live */
export function startIndicator(live) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  live.onState((state) => {
    clearTimeout(timer);
    timer = setTimeout(() => show(state), state === "live" ? 0 : PATIENCE_MS);
  });
}

/** @param {State} state */
function show(state) {
  for (const sign of document.querySelectorAll("[data-live-state]")) {
    if (!(sign instanceof HTMLElement)) continue;
    sign.hidden = false;
    sign.dataset.state = state;
    sign.textContent = state === "waiting" && !navigator.onLine ? "Offline" : WORDS[state];
  }
}
