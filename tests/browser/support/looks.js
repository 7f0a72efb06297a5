// @ts-check
/** The sizes and schemes that pages are looked at in, and pictures of them. */

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { audit } from "./audit.js";

/** @typedef {import("playwright-core").Page} Page */

export const SIZES = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 900 } };
/** @type {("light" | "dark")[]} */
export const SCHEMES = ["light", "dark"];

/**
 * Keeps a picture in the folder that SCREENSHOTS names.
 * @param {Page} page
 * @param {string} name
 */
export async function keepPicture(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, animations: "disabled" });
}

/**
 * Looks at the page as it is, at each size, by day and by night.
 * @param {Page} page
 * @param {string} name of the pictures
 */
export async function assertLooks(page, name) {
  /** @type {string[]} */
  const faults = [];
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      faults.push(...(await audit(page)).map((fault) => `${size}, ${colorScheme}: ${fault}`));
      await keepPicture(page, `${name}-${size}-${colorScheme}`);
    }
  }
  assert.deepEqual(faults, []);
}
