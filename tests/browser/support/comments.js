// @ts-check
/** Comments as visitors write and see them. */

import assert from "node:assert/strict";

import { until } from "./until.js";

/** @typedef {import("playwright-core").Page} Page */

/**
 * @param {Page} page
 * @param {string} body
 */
export async function write(page, body) {
  await page.getByLabel("Comment", { exact: true }).fill(body);
  await page.getByLabel("Name").fill("Ann");
  await page.getByRole("button", { name: "Post comment" }).click();
}

/**
 * Waits until each tab shows these comments as published, and no others.
 * @param {Page[]} tabs
 * @param {string[]} expected in order
 */
export async function untilShows(tabs, expected) {
  for (const tab of tabs) {
    let shown = /** @type {string[]} */ ([]);
    await until(`comments ${JSON.stringify(expected)} in tab ${tabs.indexOf(tab) + 1}`, async () => {
      shown = await tab.locator('.comment[data-status="approved"] .comment-body').allInnerTexts();
      return JSON.stringify(shown) === JSON.stringify(expected);
    }).catch((error) => {
      throw new Error(`${error.message}; it shows ${JSON.stringify(shown)}`);
    });
    assert.equal(await tab.locator(".comment").count(), expected.length);
  }
}
