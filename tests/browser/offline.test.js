// @ts-check
/** Reading without a network: pages that were read, and nothing of the admin's. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { untilLive, useBrowser } from "./support/browser.js";
import { untilShows, write } from "./support/comments.js";
import { assertLooks } from "./support/looks.js";
import { useSite } from "./support/site.js";
import { until } from "./support/until.js";
import { useWires } from "./support/wire.js";

/** @typedef {import("playwright-core").Page} Page */

const PAGES_MAX = 40;

describe("a visitor without a network", () => {
  const site = useSite();
  const visitors = useBrowser();
  const lay = useWires(site);

  /** A post that was read, and the wire to it. */
  async function read() {
    const slug = await site.post({ title: "Read before", markdown: "Some lasting text." });
    const { wire, baseURL } = await lay();
    const context = await visitors.enter(site, { baseURL, reducedMotion: "reduce" });
    const page = await context.newPage();
    await page.goto(`/posts/${slug}`);
    await untilLive(page);
    await untilKept(page, `/posts/${slug}`);
    return { slug, wire, context, page };
  }

  it("reads a page again that was read once, and is told that it is a copy", async () => {
    const { slug, wire, page } = await read();
    wire.cut();
    await page.reload();
    await page.getByText("Some lasting text.").waitFor();
    await page.getByText("You are offline. This is the page as you read it on").waitFor();
    await site.comment(slug, "Written meanwhile");
    wire.mend();
    await page.getByRole("link", { name: "Load the page as it is now" }).waitFor();
    await untilShows([page], ["Written meanwhile"]);
    await page.getByRole("link", { name: "Load the page as it is now" }).click();
    await until("page without the note", async () => (await page.locator("[data-offline-copy]").count()) === 0);
    await untilShows([page], ["Written meanwhile"]);
  });

  it("gets the newest page whenever there is a network", async () => {
    const { slug, page } = await read();
    await site.api("PATCH", `/posts/${slug}`, { markdown: "Newer text." });
    await page.reload();
    await page.getByText("Newer text.").waitFor();
  });

  it("is told of a page without a copy what can be read, at each size, by day and by night", async () => {
    const { slug, wire, page } = await read();
    wire.cut();
    await page.goto("/posts/never-opened");
    await page.getByRole("heading", { level: 1, name: "You are offline" }).waitFor();
    await page.getByRole("link", { name: /Read before/ }).waitFor();
    await assertLooks(page, "offline");
    await page.getByRole("link", { name: /Read before/ }).click();
    await page.getByText("Some lasting text.").waitFor();
    assert.equal(new URL(page.url()).pathname, `/posts/${slug}`);
    await assertLooks(page, "offline-copy");
  });

  it("writes below a copy, and the comment is sent once when the network is back", async () => {
    const { slug, wire, page } = await read();
    wire.cut();
    await page.reload();
    await write(page, "Written below a copy");
    await page.locator('.comment[data-status="waiting"]').waitFor();
    await assertLooks(page, "comment-waiting");
    await page.reload();
    await page.locator('.comment[data-status="waiting"]', { hasText: "Written below a copy" }).waitFor();
    wire.mend();
    await untilShows([page], ["Written below a copy"]);
    const { items } = await site.api("GET", `/posts/${slug}/comments`);
    assert.equal(items.length, 1);
  });

  it("keeps so many pages and no more, and lets the oldest go", async () => {
    const { page } = await read();
    await page.evaluate(async (count) => {
      const cache = await caches.open("hearth-pages");
      for (let number = 0; number < count; number += 1) await cache.put(`/posts/old-${number}`, new Response("old"));
    }, PAGES_MAX);
    await page.goto("/tags");
    await untilKept(page, "/tags");
    await until(`at most ${PAGES_MAX} pages`, async () => (await kept(page)).length === PAGES_MAX);
    assert.ok((await kept(page)).includes("/posts/old-39"));
    assert.ok(!(await kept(page)).includes("/posts/old-0"));
  });

  it("finds nothing of the admin's", async () => {
    const { wire, page } = await read();
    const before = await kept(page);
    await page.goto(new URL(site.json.signin_link).pathname);
    for (const path of ["/admin", "/account", "/search?q=text", "/"]) await page.goto(path);
    await untilLive(page);
    assert.deepEqual(await kept(page), before);
    wire.cut();
    await assert.rejects(page.goto("/admin"), /ERR_/);
  });
});

/** The paths of the kept pages. @param {Page} page */
async function kept(page) {
  return page.evaluate(async () => {
    const requests = await (await caches.open("hearth-pages")).keys();
    return requests.map(({ url }) => new URL(url).pathname);
  });
}

/**
 * @param {Page} page
 * @param {string} path
 */
async function untilKept(page, path) {
  await until(`copy of ${path}`, async () => (await kept(page)).includes(path));
  await page.evaluate(() => navigator.serviceWorker.ready);
}
