// @ts-check
/**
 * Parts of the page that the server writes anew when a topic tells of a change:
 * `<section id data-fragment data-refresh="topic topic">`.
 */

import { fetchPage } from "../page.js";
import { localiseTimes } from "../time.js";
import { morph } from "./morph.js";
import { showProgress } from "./progress.js";

/** @typedef {import("../live.js").Live} Live */

/** The first change shows soon, a stream of changes once a second. */
const SOON_MS = 150;
const APART_MS = 1000;

/** @type {Live | null} */
let followed = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let newest = 0;
let stale = false;

/** @param {Live} live */
export function startFragments(live) {
  followed = live;
  const topics = new Set();
  for (const part of document.querySelectorAll("[data-refresh]")) {
    const names = part instanceof HTMLElement ? (part.dataset.refresh ?? "") : "";
    for (const topic of names.split(/\s+/).filter(Boolean)) topics.add(topic);
  }
  for (const topic of topics) live.on(topic, soon);
  live.on("images.*", soon);
  live.onReset(soon);
  document.addEventListener("visibilitychange", () => {
    if (stale && !document.hidden) soon();
  });
}

function soon() {
  stale = true;
  if (document.hidden || timer !== undefined) return;
  const wait = Math.max(SOON_MS, newest + APART_MS - Date.now());
  timer = setTimeout(() => void refresh(), wait);
}

async function refresh() {
  stale = false;
  newest = Date.now();
  const page = await fetchPage();
  timer = undefined;
  if (page) show(page);
  if (stale) soon();
}

/**
 * Puts the fragments of a page into this one.
 * @param {Document} page
 */
export function show(page) {
  localiseTimes(page);
  for (const fresh of page.querySelectorAll("[data-fragment]")) {
    const shown = document.getElementById(fresh.id);
    if (shown) morph(shown, fresh);
  }
  showProgress();
  const { topics = "", cursor = "" } = page.body.dataset;
  followed?.follow(topics, cursor);
}
