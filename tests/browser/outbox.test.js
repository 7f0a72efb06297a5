// @ts-check
/** Comments that are written without a network: kept, shown, sent once, or taken back. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { untilLive, useBrowser } from "./support/browser.js";
import { untilShows, write } from "./support/comments.js";
import { assertLooks } from "./support/looks.js";
import { COMMENTS } from "./support/posting.js";
import { useSite } from "./support/site.js";
import { until } from "./support/until.js";

/** @typedef {import("playwright-core").BrowserContext} BrowserContext */
/** @typedef {import("playwright-core").Page} Page */

const TOO_LONG = "too long ".repeat(1200);

describe("a comment that cannot be sent", () => {
  const site = useSite();
  const visitors = useBrowser();

  async function open() {
    const slug = await site.post();
    const context = await visitors.enter(site, { serviceWorkers: "block" });
    const posts = countPosts(context);
    return { slug, context, posts, page: await openTab(context, slug) };
  }

  it("waits in sight, and is sent once when the network is back, by one tab alone", async () => {
    const { slug, context, posts, page } = await open();
    const other = await openTab(context, slug);
    await context.setOffline(true);
    await write(page, "Typed in a tunnel");
    await waiting(page, "Typed in a tunnel");
    await write(page, "And another one");
    await waiting(page, "And another one");
    assert.equal(await page.getByLabel("Comment", { exact: true }).inputValue(), "");
    await context.setOffline(false);
    await untilShows([page, other], ["Typed in a tunnel", "And another one"]);
    assert.deepEqual(await stored(slug), ["Typed in a tunnel", "And another one"]);
    assert.equal(posts(), 2);
  });

  it("is sent after the page was closed and opened again, once", async () => {
    const { slug, context, posts, page } = await open();
    await context.setOffline(true);
    await write(page, "Written before the battery died");
    await waiting(page, "Written before the battery died");
    await page.close();
    await context.setOffline(false);
    const [first, second] = await Promise.all([openTab(context, slug), openTab(context, slug)]);
    await untilShows([first, second], ["Written before the battery died"]);
    assert.deepEqual(await stored(slug), ["Written before the battery died"]);
    assert.equal(posts(), 1);
  });

  it("is sent from whatever page of the site is opened next", async () => {
    const { slug, context, page } = await open();
    await context.setOffline(true);
    await write(page, "Sent from the home page");
    await waiting(page, "Sent from the home page");
    await page.close();
    await context.setOffline(false);
    await (await context.newPage()).goto("/");
    await until("stored comment", async () => (await stored(slug)).length === 1);
  });

  it("is stored once when the answer was lost on the way", async () => {
    const { slug, posts, page } = await open();
    await page.route(COMMENTS, async (route) => {
      await route.fetch();
      await route.abort("connectionreset");
    }, { times: 1 });
    await write(page, "Sent twice, stored once");
    await until("second try", () => posts() === 2);
    await untilShows([page], ["Sent twice, stored once"]);
    assert.deepEqual(await stored(slug), ["Sent twice, stored once"]);
  });

  for (const [status, words] of /** @type {const} */ ([[429, "that was much"], [503, "does not answer just now"]])) {
    it(`waits when the site answers ${status}, and is sent by itself`, async () => {
      const { slug, page } = await open();
      const headers = { "Retry-After": "1" };
      await page.route(COMMENTS, (route) => route.fulfill({ status, headers }), { times: 1 });
      await write(page, `After a ${status}`);
      await page.locator('.comment[data-status="waiting"] .comment-state', { hasText: words }).waitFor();
      await untilShows([page], [`After a ${status}`]);
      assert.deepEqual(await stored(slug), [`After a ${status}`]);
    });
  }

  it("can be discarded, and is never sent then", async () => {
    const { slug, context, posts, page } = await open();
    await context.setOffline(true);
    await write(page, "On second thought, no");
    await (await waiting(page, "On second thought, no")).getByRole("button", { name: "Discard" }).click();
    await until("empty thread", async () => (await page.locator(".comment").count()) === 0);
    await write(page, "This one, though");
    await waiting(page, "This one, though");
    await context.setOffline(false);
    await untilShows([page], ["This one, though"]);
    assert.equal(posts(), 1);
    assert.deepEqual(await stored(slug), ["This one, though"]);
  });

  it("is told why it was refused later, and can be edited", async () => {
    const { slug, context, page } = await open();
    await context.setOffline(true);
    await page.getByLabel("Comment", { exact: true }).evaluate((field) => field.removeAttribute("maxlength"));
    await write(page, TOO_LONG);
    await page.locator(".comment-state", { hasText: "waits" }).waitFor();
    await page.getByLabel("Comment", { exact: true }).fill("Already at the next one");
    await context.setOffline(false);
    const failed = page.locator('.comment[data-status="failed"]');
    await failed.locator(".comment-state", { hasText: /10,?000/ }).waitFor();
    assert.equal(await page.getByLabel("Comment", { exact: true }).inputValue(), "Already at the next one");
    await assertLooks(page, "comment-failed");

    await page.reload();
    await failed.getByRole("button", { name: "Edit" }).click();
    assert.equal(await page.getByLabel("Comment", { exact: true }).inputValue(), TOO_LONG);
    await page.getByLabel("Comment", { exact: true }).fill("Shorter");
    await page.getByRole("button", { name: "Post comment" }).click();
    await untilShows([page], ["Shorter"]);
    assert.deepEqual(await stored(slug), ["Shorter"]);
  });

  /** @param {string} slug */
  async function stored(slug) {
    /** @type {{items: {body: string}[]}} */
    const { items } = await site.api("GET", `/posts/${slug}/comments`);
    return items.map(({ body }) => body);
  }
});

/**
 * @param {BrowserContext} context
 * @param {string} slug
 */
async function openTab(context, slug) {
  const page = await context.newPage();
  await page.goto(`/posts/${slug}`);
  await untilLive(page);
  return page;
}

/**
 * The comment, once it says that it waits.
 * @param {Page} page
 * @param {string} text
 */
async function waiting(page, text) {
  const comment = page.locator('.comment[data-status="waiting"]', { hasText: text });
  await comment.locator(".comment-state", { hasText: "waits for the network" }).waitFor();
  return comment;
}

/**
 * How many times the tabs of a browser posted.
 * @param {BrowserContext} context
 */
function countPosts(context) {
  let posts = 0;
  context.on("request", (request) => {
    if (request.method() === "POST" && COMMENTS.test(new URL(request.url()).pathname)) posts += 1;
  });
  return () => posts;
}
