// @ts-check
/** The mode of posting, and a hand on the requests that post. */

import { until } from "./until.js";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").Route} Route */

/** The addresses that comments are sent to. */
export const COMMENTS = /\/posts\/[^/]+\/comments$/;

/**
 * Sets the mode as the admin does, by the form.
 * @param {import("./site.js").Site} site
 * @param {import("./browser.js").Visitors} visitors
 * @param {string} mode
 */
export async function setMode(site, visitors, mode) {
  const page = await (await visitors.enter(site)).newPage();
  // A link is good once, and the site takes a moment to write the next one down.
  await until("session of the admin", async () => {
    await page.goto(site.json.signin_link);
    await page.goto("/admin/settings");
    return new URL(page.url()).pathname === "/admin/settings";
  });
  await page.getByLabel("A visitor's own comment").selectOption(mode);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("The settings are saved.").waitFor();
}

/**
 * Stops what the page posts until it is let go.
 * @param {Page} page
 * @returns {Promise<() => void>} lets it go
 */
export async function stopPosts(page) {
  /** @type {() => void} */
  let go = () => {};
  const gone = /** @type {Promise<void>} */ (new Promise((resolve) => {
    go = resolve;
  }));
  await page.route(COMMENTS, async (route) => {
    await gone;
    await route.continue();
  });
  return go;
}
