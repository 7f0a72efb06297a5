// @ts-check
/** Times in the reader's own zone; the server writes them in UTC. */

/** As the server writes them, which writes no other: 21 Nov 2026, 03:35. */
const LANGUAGE = "en-GB";

/** @type {Record<string, Intl.DateTimeFormatOptions>} */
const STYLES = {
  minute: { dateStyle: "medium", timeStyle: "short" },
  second: { dateStyle: "medium", timeStyle: "medium" },
};

/**
 * @param {string | Date} time
 * @param {string} [style] `minute` or `second`
 */
export function localTime(time, style = "minute") {
  return new Intl.DateTimeFormat(LANGUAGE, STYLES[style] ?? STYLES.minute).format(new Date(time));
}

/**
 * Rewrites every `<time data-local>` below `root`.
 * @param {ParentNode} root
 */
export function localiseTimes(root) {
  for (const time of root.querySelectorAll("time[data-local]")) {
    if (!(time instanceof HTMLTimeElement) || Number.isNaN(Date.parse(time.dateTime))) continue;
    time.textContent = localTime(time.dateTime, time.dataset.local);
    time.title = time.dateTime;
  }
}
