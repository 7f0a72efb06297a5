// @ts-check
/**
 * How far jobs are: `<progress data-job="ID" hidden>`. It is told live and kept
 * nowhere, so a bar shows from the first report that this page hears.
 */

/** @typedef {import("../live.js").Live} Live */

/** How far each job is, from 0 to 1. @type {Map<string, number>} */
const heard = new Map();

/** @param {Live} live */
export function startProgress(live) {
  live.on("jobs.*", ({ envelope }) => {
    const { job, state, progress } = /** @type {Record<string, unknown>} */ (envelope.payload);
    if (typeof job !== "string") return;
    if (state === "running" && typeof progress === "number") heard.set(job, progress);
    else heard.delete(job);
    showProgress();
  });
}

/** Shows what is known in the bars of the page as it is now. */
export function showProgress() {
  for (const bar of document.querySelectorAll("progress[data-job]")) {
    if (!(bar instanceof HTMLProgressElement)) continue;
    const part = heard.get(bar.dataset.job ?? "");
    bar.hidden = part === undefined;
    bar.value = part ?? 0;
  }
}
