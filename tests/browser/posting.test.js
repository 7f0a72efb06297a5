// @ts-check
/** The three modes of posting a comment: safe, optimistic, brave. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { untilLive, useBrowser } from "./support/browser.js";
import { untilShows, write } from "./support/comments.js";
import { assertLooks } from "./support/looks.js";
import { setMode, stopPosts } from "./support/posting.js";
import { useSite } from "./support/site.js";
import { until } from "./support/until.js";

/** @typedef {import("playwright-core").Page} Page */

/** Longer than the site takes, and as long as the browser lets through. */
const TOO_LONG = "x".repeat(10_001);

describe("a visitor who posts", () => {
  const site = useSite();
  const visitors = useBrowser();

  /**
   * A live post; the service worker would hide requests from the test.
   * @param {string} mode
   */
  async function open(mode) {
    await setMode(site, visitors, mode);
    const slug = await site.post();
    const context = await visitors.enter(site, { serviceWorkers: "block", reducedMotion: "reduce" });
    const [page, other] = [await context.newPage(), await context.newPage()];
    for (const tab of [page, other]) {
      await tab.goto(`/posts/${slug}`);
      await untilLive(tab);
    }
    return { page, other };
  }

  it("sees it at once as pending in the optimistic mode, and nothing moves when it is published", async () => {
    const { page, other } = await open("optimistic");
    const go = await stopPosts(page);
    await write(page, "Shown before it is sent");
    const own = page.locator(".comment", { hasText: "Shown before it is sent" });
    await own.locator(".comment-state", { hasText: "sending…" }).waitFor();
    assert.equal(await own.getAttribute("data-status"), "pending");
    assert.equal(await body(page).inputValue(), "");
    assert.equal(await count(page), "0");
    await assertLooks(page, "comment-pending");
    const before = await places(page);
    go();
    await untilShows([page, other], ["Shown before it is sent"]);
    assert.deepEqual(await places(page), before);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0, "nothing moves for who wants none");
  });

  it("gets a refused text back with the reason in the optimistic mode", async () => {
    const { page } = await open("optimistic");
    await refused(page);
  });

  it("sees it at once as published in the brave mode, and others see it once", async () => {
    const { page, other } = await open("brave");
    const go = await stopPosts(page);
    await write(page, "Done, as far as I can see");
    await untilShows([page], ["Done, as far as I can see"]);
    assert.equal(await count(page), "1");
    assert.equal(await page.locator(".comment-state").isVisible(), false);
    const before = await places(page);
    go();
    await untilShows([page, other], ["Done, as far as I can see"]);
    await until("id of the server's", () => page.locator('.comment:not([id^="comment-local"])').count());
    assert.deepEqual(await places(page), before);
  });

  it("gets a refused text back with the reason in the brave mode", async () => {
    const { page } = await open("brave");
    await refused(page);
    assert.equal(await count(page), "0");
  });

  it("is told in the brave mode that a comment is held", async () => {
    const { page } = await open("brave");
    await write(page, "The casino of the brave.");
    await page.locator(".comment-state", { hasText: "held for moderation" }).waitFor();
    assert.equal(await count(page), "0");
  });

  it("still sees a comment that is held when events were missed", async () => {
    await setMode(site, visitors, "optimistic");
    const slug = await site.post();
    const context = await visitors.enter(site, { serviceWorkers: "block" });
    await context.addInitScript(() => {
      for (const name of ["SharedWorker", "BroadcastChannel"]) Reflect.deleteProperty(globalThis, name);
    });
    const page = await context.newPage();
    await page.goto(`/posts/${slug}`);
    await untilLive(page);
    await write(page, "The casino of the patient.");
    await page.locator(".comment-state", { hasText: "held for moderation" }).waitFor();
    await page.locator("[data-thread]").evaluate((thread) => thread.append(document.createElement("li")));
    const body = "retry: 60000\nevent: reset\nid: a-1\ndata: {}\n\n";
    await page.route(/\/events\?/, (route) => route.fulfill({ contentType: "text/event-stream", body }), { times: 1 });
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await until("fresh thread", async () => (await page.locator("[data-thread] > :empty").count()) === 0);
    await page.locator(".comment", { hasText: "The casino of the patient." }).waitFor();
  });

  it("waits for the event in the safe mode, and keeps the text until then", async () => {
    const { page, other } = await open("safe");
    const go = await stopPosts(page);
    await write(page, "Sure is sure");
    await page.getByRole("button", { name: "Posting…" }).waitFor();
    assert.equal(await page.locator(".comment").count(), 0);
    assert.equal(await body(page).inputValue(), "Sure is sure");
    go();
    await untilShows([page, other], ["Sure is sure"]);
    await page.getByRole("button", { name: "Post comment" }).waitFor();
    assert.equal(await body(page).inputValue(), "");
  });

  it("is told in the safe mode that a comment is held, or why it is refused", async () => {
    const { page } = await open("safe");
    await write(page, "The casino of the careful.");
    await page.locator("[data-form-status]", { hasText: "held for moderation" }).waitFor();
    await refused(page);
  });
});

/**
 * Writes what the site does not take.
 * @param {Page} page
 */
async function refused(page) {
  await body(page).evaluate((field) => field.removeAttribute("maxlength"));
  await write(page, TOO_LONG);
  await page.locator("[data-form-error]:visible").filter({ hasText: /10,?000/ }).waitFor();
  assert.equal(await body(page).inputValue(), TOO_LONG);
  assert.equal(await page.locator(".comment").count(), 0);
  await page.getByRole("button", { name: "Post comment" }).waitFor();
}

/** @param {Page} page */
function body(page) {
  return page.getByLabel("Comment", { exact: true });
}

/** @param {Page} page */
function count(page) {
  return page.locator("[data-comment-count]").textContent();
}

/** Where the comment and the form stand. @param {Page} page */
async function places(page) {
  return page.evaluate(() => [".comment", "#comment-form"].map((selector) => {
    const { top, height } = /** @type {Element} */ (document.querySelector(selector)).getBoundingClientRect();
    return { top: Math.round(top + scrollY), height: Math.round(height) };
  }));
}
