// @ts-check
/**
 * Every page, on a phone and on a desk, by day and by night: no error in the
 * console, nothing that the policy refuses, and what everybody needs to read it.
 * SCREENSHOTS=DIR keeps a picture of each.
 */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { audit } from "./support/audit.js";
import { useBrowser } from "./support/browser.js";
import { keepPicture, SCHEMES, SIZES } from "./support/looks.js";
import { useSite } from "./support/site.js";

/** @typedef {import("playwright-core").BrowserContext} BrowserContext */
/** @typedef {import("playwright-core").Page} Page */

const SEED_MS = 180_000;
const SPAM = "A jackpot waits for everyone who reads on, with `code` and a [link](https://example.com).";

/** What every visitor can open; those with a status are answered with it. */
const PUBLIC = [
  { name: "home", path: "/" },
  { name: "post", path: "/posts/the-way-of-an-image" },
  { name: "post-with-code", path: "/posts/the-outbox" },
  { name: "post-comments", path: "/posts/five-containers" },
  { name: "tag", path: "/tags/" },
  { name: "search", path: "/search" },
  { name: "search-found", path: "/search?q=outbox" },
  { name: "search-nothing", path: "/search?q=zzzzzz" },
  { name: "signin", path: "/signin" },
  { name: "offline", path: "/offline" },
  { name: "not-found", path: "/posts/nothing-of-this-name", status: 404 },
];

const ADMIN = [
  { name: "admin-dashboard", path: "/admin" },
  { name: "admin-posts", path: "/admin/posts" },
  { name: "admin-post-new", path: "/admin/posts/new" },
  { name: "admin-post-edit", path: "/admin/posts/the-outbox/edit" },
  { name: "admin-post-delete", path: "/admin/posts/the-outbox/delete" },
  { name: "admin-comments", path: "/admin/comments" },
  { name: "admin-comments-approved", path: "/admin/comments?status=approved" },
  { name: "admin-images", path: "/admin/images" },
  { name: "admin-jobs", path: "/admin/jobs" },
  { name: "admin-jobs-all", path: "/admin/jobs?state=all" },
  { name: "admin-jobs-none", path: "/admin/jobs?state=scheduled&kind=nothing" },
  { name: "admin-jobs-done", path: "/admin/jobs?state=done" },
  { name: "admin-jobs-dead", path: "/admin/jobs?state=dead" },
  { name: "admin-jobs-retry", path: "/admin/jobs/retry" },
  { name: "admin-jobs-cancel", path: "/admin/jobs/cancel?queue=comments" },
  { name: "admin-backups", path: "/admin/backups" },
  { name: "admin-alerts", path: "/admin/alerts" },
  { name: "admin-settings", path: "/admin/settings" },
  { name: "account", path: "/account" },
];

describe("every page, at each size, by day and by night", () => {
  const site = useSite();
  const visitors = useBrowser();
  /** What the browser kept of the sign-in. @type {string} */
  let session = "";
  let tag = "";

  before(async () => {
    await site.seed();
    await fill();
    const context = await visitors.enter(site);
    await context.request.get(site.json.signin_link);
    session = JSON.stringify(await context.storageState());
    await visitors.leave();
    tag = (await site.api("GET", "/posts/the-outbox")).tags[0];
  }, { timeout: SEED_MS });

  /** Something in every list: a held comment, a dead job, an alert, a backup, a long word. */
  async function fill() {
    const headers = { "Content-Type": "application/json", Accept: "application/json" };
    const body = JSON.stringify({ author: "Spammer", email: "spam@example.com", body: SPAM });
    await fetch(`${site.url}/posts/the-outbox/comments`, { method: "POST", headers, body });
    await site.commentOf(SPAM, "pending");
    await site.comment("the-outbox", `A word without end: ${"endless".repeat(40)}.\n\n    ${"long line of code ".repeat(12)}`);
    await site.api("POST", "/backups/daily/run");
  }

  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const { name, path, status = 200 } of PUBLIC) {
      it(`${name} on a ${size}`, async () => {
        const context = await visitors.enter(site, { viewport, reducedMotion: "reduce" });
        await assertGood(context, `${name}-${size}`, path === "/tags/" ? path + tag : path, status);
      });
    }

    for (const { name, path } of ADMIN) {
      it(`${name} on a ${size}`, async () => {
        const storageState = JSON.parse(session);
        const context = await visitors.enter(site, { viewport, reducedMotion: "reduce", storageState });
        await assertGood(context, `${name}-${size}`, path);
      });
    }

    it(`a job on a ${size}`, async () => {
      const { items } = await site.api("GET", "/jobs?queue=comments&state=done");
      const storageState = JSON.parse(session);
      const context = await visitors.enter(site, { viewport, reducedMotion: "reduce", storageState });
      await assertGood(context, `admin-job-${size}`, `/admin/jobs/${items[0].id}`);
    });

    it(`a comment form with mistakes on a ${size}`, async () => {
      const context = await visitors.enter(site, { viewport, reducedMotion: "reduce", javaScriptEnabled: false });
      const page = await context.newPage();
      const faults = watch(page, 422);
      await page.goto("/posts/the-outbox");
      await page.getByLabel("Comment", { exact: true }).fill("Who am I?");
      await page.getByLabel("Name").fill("  ");
      await page.getByRole("button", { name: "Post comment" }).click();
      await page.locator("#comment-author-error").waitFor();
      await assertLooks(page, `post-mistakes-${size}`, faults);
    });

    it(`a held comment, as its author sees it, on a ${size}`, async () => {
      const context = await visitors.enter(site, { viewport, reducedMotion: "reduce" });
      const page = await context.newPage();
      const faults = watch(page);
      await page.goto("/posts/the-outbox");
      await page.getByLabel("Comment", { exact: true }).fill(`The casino on a ${size}.`);
      await page.getByLabel("Name").fill("Ann");
      await page.getByRole("button", { name: "Post comment" }).click();
      await page.locator(".comment-state", { hasText: "held" }).waitFor();
      await assertLooks(page, `post-held-${size}`, faults);
    });
  }
});

/**
 * Collects what the browser complains about.
 * @param {Page} page
 * @param {number} [status] of a page that is a fault itself, which the console tells
 * @returns {string[]} it grows
 */
function watch(page, status = 200) {
  /** @type {string[]} */
  const faults = [];
  page.on("console", (message) => {
    const isItself = status >= 400 && message.text().includes(`status of ${status}`);
    if (["error", "warning"].includes(message.type()) && !isItself) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  page.on("response", (response) => {
    if (response.status() >= 400 && response.status() !== status) faults.push(`${response.status()} ${response.url()}`);
  });
  return faults;
}

/**
 * @param {BrowserContext} context
 * @param {string} name of the pictures
 * @param {string} path
 * @param {number} [status]
 */
async function assertGood(context, name, path, status = 200) {
  const page = await context.newPage();
  const faults = watch(page, status);
  const response = await page.goto(path);
  assert.equal(response?.status(), status);
  await assertLooks(page, name, faults);
}

/**
 * @param {Page} page
 * @param {string} name of the pictures
 * @param {string[]} faults so far
 */
async function assertLooks(page, name, faults) {
  await page.evaluate(loadPictures);
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    faults.push(...(await audit(page)).map((fault) => `${colorScheme}: ${fault}`));
    await keepPicture(page, `${name}-${colorScheme}`);
  }
  assert.deepEqual(faults, []);
}

/** Loads those that wait to be scrolled to. Runs in the page. */
async function loadPictures() {
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode()));
}
