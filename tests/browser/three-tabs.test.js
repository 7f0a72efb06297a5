// @ts-check
/** A visitor with three tabs of one post: all live, over one connection. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { isMarked, mark, untilLive, useBrowser } from "./support/browser.js";
import { untilShows, write } from "./support/comments.js";
import { useSite } from "./support/site.js";
import { until } from "./support/until.js";
import { useWires } from "./support/wire.js";

/** @typedef {import("playwright-core").Page} Page */

/** A sign of spam, so that the comment is held. */
const HELD = "This casino is the best of all.";

describe("a visitor with three tabs", () => {
  const site = useSite();
  const visitors = useBrowser();
  const lay = useWires(site);

  /** Three live tabs of one new post. */
  async function open() {
    const slug = await site.post();
    const { wire, baseURL } = await lay();
    const context = await visitors.enter(site, { baseURL });
    /** @type {Page[]} */
    const tabs = [];
    for (let tab = 0; tab < 3; tab += 1) {
      const page = await context.newPage();
      await page.goto(`/posts/${slug}`);
      await untilLive(page);
      await mark(page);
      tabs.push(page);
    }
    await until("single connection", () => wire.streams === 1);
    return { slug, context, wire, tabs };
  }

  it("sees a comment of one tab in the others, once each, in order, without a reload", async () => {
    const { tabs } = await open();
    const texts = ["First, from the first tab", "Second, from the first tab", "Third, from the second tab"];
    await write(tabs[0], texts[0]);
    await untilShows(tabs, texts.slice(0, 1));
    await write(tabs[0], texts[1]);
    await untilShows(tabs, texts.slice(0, 2));
    await write(tabs[1], texts[2]);
    await untilShows(tabs, texts);
    for (const tab of tabs) {
      assert.equal(await tab.locator("[data-comment-count]").textContent(), "3");
      assert.ok(await isMarked(tab), "the tab was not loaded again");
    }
  });

  it("sees many comments of others in the order of the server, each once", async () => {
    const { slug, tabs } = await open();
    const texts = Array.from({ length: 30 }, (_, number) => `Comment number ${number + 1}`);
    await Promise.all(texts.map((text) => site.comment(slug, text)));
    /** @type {{items: {body: string}[]}} */
    const { items } = await until("thirty comments", async () => {
      const list = await site.api("GET", `/posts/${slug}/comments`);
      return list.items.length === texts.length && list;
    });
    await untilShows(tabs, items.map(({ body }) => body));
  });

  it("sees an answer under the comment that it answers", async () => {
    const { slug, tabs } = await open();
    const parent = await site.comment(slug, "Who answers me?");
    await untilShows(tabs, ["Who answers me?"]);
    await tabs[0].locator(`#comment-${parent}`).getByRole("link", { name: "Reply" }).click();
    await write(tabs[0], "I do.");
    for (const tab of tabs) {
      const item = tab.locator(".comment-item", { has: tab.locator(`> #comment-${parent}`) });
      await item.locator("> .replies .comment", { hasText: "I do." }).waitFor();
    }
  });

  it("sees the views and the readers of now move", async () => {
    const { slug, tabs } = await open();
    await untilNumber(tabs, `[data-views="${slug}"]`, 1);
    await untilNumber(tabs, `[data-readers="${slug}"]`, 1);
    const other = await (await visitors.enter(site)).newPage();
    await other.goto(`/posts/${slug}`);
    await untilNumber(tabs, `[data-views="${slug}"]`, 2);
    await untilNumber(tabs, `[data-readers="${slug}"]`, 2);
    await other.close();
    await untilNumber(tabs, `[data-readers="${slug}"]`, 1);
    for (const tab of tabs) assert.ok(await isMarked(tab), "the tab was not loaded again");
  });

  it("is given no cookie for reading and commenting", async () => {
    const { context, tabs } = await open();
    await write(tabs[0], "No cookie, please.");
    await untilShows(tabs, ["No cookie, please."]);
    assert.deepEqual(await context.cookies(), []);
  });

  it("gets what was written while it was offline", async () => {
    const { slug, wire, tabs } = await open();
    wire.cut();
    await until("cut of the connection", () => wire.streams === 0);
    await site.comment(slug, "Written meanwhile, first");
    await site.comment(slug, "Written meanwhile, second");
    const expected = await texts(slug, 2);
    wire.mend();
    await untilShows(tabs, expected);
    for (const tab of tabs) assert.ok(await isMarked(tab), "the tab was not loaded again");
  });

  it("reconnects to a web that was killed, and gets what was written meanwhile", async () => {
    const { slug, wire, tabs } = await open();
    await site.comment(slug, "Before the kill");
    await untilShows(tabs, ["Before the kill"]);
    await site.killAndWait("web");
    await site.comment(slug, "After the kill, at once");
    await untilShows(tabs, await texts(slug, 2));
    for (const tab of tabs) await untilLive(tab);
    await site.comment(slug, "After the kill, later");
    await untilShows(tabs, await texts(slug, 3));
    assert.equal(wire.streams, 1);
    for (const tab of tabs) assert.ok(await isMarked(tab), "the tab was not loaded again");
  });

  it("shows a held comment to its author alone until it is approved", async () => {
    const { tabs } = await open();
    await write(tabs[0], HELD);
    const own = tabs[0].locator(".comment", { hasText: HELD });
    await own.locator(".comment-state", { hasText: "held for moderation" }).waitFor();
    assert.equal(await own.getAttribute("data-status"), "pending");
    const held = await site.commentOf(HELD, "pending");
    for (const tab of tabs.slice(1)) assert.equal(await tab.getByText(HELD).count(), 0);

    await site.api("POST", `/comments/${held.id}/approve`);
    await untilShows(tabs, [HELD]);
    for (const tab of tabs) {
      const state = tab.locator(".comment", { hasText: HELD }).locator(".comment-state");
      assert.equal(await state.isVisible(), false);
    }
  });

  it("is told in words what is wrong with a comment, and keeps the text", async () => {
    const { tabs } = await open();
    await tabs[0].getByLabel("Email").fill("ann@example.com");
    await tabs[0].getByLabel("Name").evaluate((field) => field.removeAttribute("required"));
    await tabs[0].getByLabel("Comment", { exact: true }).fill("Who am I?");
    await tabs[0].getByRole("button", { name: "Post comment" }).click();
    await tabs[0].locator("[data-form-error]:visible").filter({ hasText: /name|author/i }).waitFor();
    assert.equal(await tabs[0].getByLabel("Comment", { exact: true }).inputValue(), "Who am I?");
  });

  /**
   * What the server says, once it has so many comments.
   * @param {string} slug
   * @param {number} count
   * @returns {Promise<string[]>}
   */
  async function texts(slug, count) {
    return until(`${count} comments`, async () => {
      /** @type {{items: {body: string}[]}} */
      const { items } = await site.api("GET", `/posts/${slug}/comments`);
      return items.length === count ? items.map(({ body }) => body) : null;
    });
  }
});

/**
 * @param {Page[]} tabs
 * @param {string} selector
 * @param {number} expected
 */
async function untilNumber(tabs, selector, expected) {
  for (const tab of tabs) {
    await tab.locator(selector).filter({ hasText: new RegExp(`^${expected}$`) }).waitFor();
  }
}
