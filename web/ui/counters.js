// @ts-check
/** Counters of views and of readers, wherever the page shows them. */

import { fetchPage } from "./page.js";

/** @typedef {import("./live.js").Live} Live */
/** @typedef {{views: number, visitors: number}} Views */
/** @typedef {{readers: number, posts: Record<string, number>}} Readers */

const VIEWS = "metrics.views.";

/** @param {Live} live */
export function startCounters(live) {
  live.on(`${VIEWS}*`, ({ topic, envelope }) => {
    const slug = topic.slice(VIEWS.length);
    showViews(slug, /** @type {Views} */ (envelope.payload).views);
  });
  live.on("metrics.live", ({ envelope }) => showReaders(/** @type {Readers} */ (envelope.payload)));
  live.onReset(refresh);
}

/**
 * @param {string} slug
 * @param {number} views
 */
function showViews(slug, views) {
  for (const counter of document.querySelectorAll(`[data-views="${CSS.escape(slug)}"]`)) {
    setNumber(counter, views);
  }
}

/** @param {Readers} readers */
function showReaders({ readers, posts }) {
  for (const counter of document.querySelectorAll("[data-readers]")) {
    const slug = /** @type {HTMLElement} */ (counter).dataset.readers;
    const count = slug ? (posts[slug] ?? 0) : readers;
    setNumber(counter, count);
    hideAtZero(counter, count);
  }
  for (const sign of document.querySelectorAll("[data-reading]")) {
    if (!(sign instanceof HTMLElement)) continue;
    const count = posts[sign.dataset.reading ?? ""] ?? 0;
    sign.hidden = count === 0;
    const number = sign.querySelector("b");
    if (number) number.textContent = String(count);
  }
}

/**
 * Nobody need be told that nobody reads.
 * @param {Element} counter
 * @param {number} count
 */
function hideAtZero(counter, count) {
  const line = counter.closest("[data-now]");
  if (line instanceof HTMLElement) line.hidden = count === 0;
}

/**
 * Writes a number and lets it glow for a moment if it changed.
 * @param {Element} counter
 * @param {number} value
 */
export function setNumber(counter, value) {
  const text = String(value);
  if (!Number.isFinite(value) || counter.textContent === text) return;
  counter.textContent = text;
  if (counter instanceof HTMLDataElement) counter.value = text;
  counter.classList.remove("bump");
  void (/** @type {HTMLElement} */ (counter).offsetWidth);
  counter.classList.add("bump");
}

/** Events were missed: the page itself has the numbers of now. */
async function refresh() {
  const page = await fetchPage();
  if (!page) return;
  for (const attribute of ["data-views", "data-readers", "data-reading"]) {
    for (const fresh of page.querySelectorAll(`[${attribute}]`)) {
      const name = CSS.escape(fresh.getAttribute(attribute) ?? "");
      for (const counter of document.querySelectorAll(`[${attribute}="${name}"]`)) {
        const now = document.importNode(fresh, true);
        counter.replaceWith(now);
        if (attribute === "data-readers") hideAtZero(now, Number(now.textContent));
      }
    }
  }
}
