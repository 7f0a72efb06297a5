// @ts-check
/** Debian's Chromium, and the people who use it. */

import { after, afterEach, before } from "node:test";

import { chromium } from "playwright-core";

/** @typedef {import("playwright-core").Browser} Browser */
/** @typedef {import("playwright-core").BrowserContext} BrowserContext */
/** @typedef {import("playwright-core").BrowserContextOptions} Options */
/** @typedef {import("playwright-core").Page} Page */

const ARGUMENTS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** How long one step of a test may take. */
const STEP_MS = 15_000;

/** A browser with a context a person. */
export class Visitors {
  /** @type {Browser | null} */ #browser = null;
  /** @type {BrowserContext[]} */ #contexts = [];
  /** So that no two people of one site share an address, and with it a limit. */
  #addresses = 0;

  async launch() {
    this.#browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ARGUMENTS });
  }

  /**
   * Somebody with a browser and an address of their own, until the test ends.
   * @param {import("./site.js").Site} site
   * @param {Options} [options]
   */
  async enter(site, options = {}) {
    if (!this.#browser) throw new Error("the browser is not launched");
    this.#addresses += 1;
    const context = await this.#browser.newContext({
      baseURL: site.url,
      extraHTTPHeaders: { "X-Forwarded-For": `198.51.100.${this.#addresses}` },
      ...options,
    });
    context.setDefaultTimeout(STEP_MS);
    this.#contexts.push(context);
    return context;
  }

  /** Everybody leaves. */
  async leave() {
    await Promise.all(this.#contexts.splice(0).map((context) => context.close()));
  }

  async quit() {
    await this.#browser?.close();
  }
}

/** A browser for the tests of one file. */
export function useBrowser() {
  const visitors = new Visitors();
  before(() => visitors.launch());
  afterEach(() => visitors.leave());
  after(() => visitors.quit());
  return visitors;
}

/**
 * Waits until the page says that it is live.
 * @param {Page} page
 */
export async function untilLive(page) {
  await page.locator('[data-live-state][data-state="live"]').waitFor();
}

/**
 * Marks the page, so that a reload can be told from a change.
 * @param {Page} page
 */
export async function mark(page) {
  await page.evaluate(() => {
    document.documentElement.dataset.mark = "same page";
  });
}

/**
 * Whether the page is the one that was marked.
 * @param {Page} page
 */
export async function isMarked(page) {
  return page.evaluate(() => document.documentElement.dataset.mark === "same page");
}
