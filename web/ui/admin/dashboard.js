// @ts-check
/** The figures at the top of the dashboard. */

import { setNumber } from "../counters.js";

/** @typedef {import("../live.js").Live} Live */
/** @typedef {import("../counters.js").Views} Views */

/** @param {Live} live */
export function startDashboard(live) {
  const views = new Figure("[data-site-views]", "[data-views-today]");
  const visitors = new Figure("[data-site-visitors]", "[data-visitors-today]");
  live.on("metrics.views", ({ envelope }) => {
    const payload = /** @type {Views} */ (envelope.payload);
    views.show(payload.views);
    visitors.show(payload.visitors);
  });
}

/** A total, and today's part of it, which grows with it. */
class Figure {
  /** @type {Element | null} */ #total;
  /** @type {Element | null} */ #today;
  /** What the total was when today's part was 0. */
  #before;

  /**
   * @param {string} total
   * @param {string} today
   */
  constructor(total, today) {
    this.#total = document.querySelector(total);
    this.#today = document.querySelector(today);
    this.#before = Number(this.#total?.textContent) - Number(this.#today?.textContent);
  }

  /** @param {number} total */
  show(total) {
    if (this.#total) setNumber(this.#total, total);
    if (this.#today) setNumber(this.#today, Math.max(0, total - this.#before));
  }
}
