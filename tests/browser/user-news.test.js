// @ts-check
/** What is told in all windows of one visitor, or of the admin, and in no other. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { untilLive, useBrowser } from "./support/browser.js";
import { untilShows, write } from "./support/comments.js";
import { assertLooks } from "./support/looks.js";
import { useSite } from "./support/site.js";
import { until } from "./support/until.js";

/** @typedef {import("playwright-core").BrowserContext} BrowserContext */
/** @typedef {import("playwright-core").Page} Page */

/** A sign of spam, so that the comment is held. */
const HELD = "This casino is the best of all.";

describe("windows of one visitor", () => {
  const site = useSite();
  const visitors = useBrowser();

  /**
   * @param {BrowserContext} context
   * @param {string} path
   */
  async function open(context, path) {
    const page = await context.newPage();
    await page.goto(path);
    await untilLive(page);
    return page;
  }

  /** A visitor at a post and at the home page, and another visitor at both. */
  async function enter() {
    const slug = await site.post();
    const contexts = [await visitors.enter(site), await visitors.enter(site)];
    /** @type {Page[]} */
    const pages = [];
    for (const context of contexts) {
      pages.push(await open(context, `/posts/${slug}`), await open(context, "/"));
    }
    const [post, home, ...others] = pages;
    return { slug, context: contexts[0], post, home, others };
  }

  it("all hear that a comment is published, and no other visitor's do", async () => {
    const { slug, post, home, others } = await enter();
    await write(post, "Told everywhere");
    await untilShows([post, others[0]], ["Told everywhere"]);
    await home.locator(".notices", { hasText: "Your comment is published." }).waitFor();
    await assertLooks(home, "notice-published");
    assert.equal(await notices(post), 0, "the window that shows the comment says nothing");
    for (const other of others) assert.equal(await notices(other), 0);
    await home.locator(".notices").getByRole("link", { name: "Read it" }).click();
    await home.waitForURL((url) => url.pathname === `/posts/${slug}` && url.hash.startsWith("#comment-"));
  });

  it("all hear that a comment is held, then why it is refused, and no other visitor's do", async () => {
    const { context, slug, post, home, others } = await enter();
    await write(post, HELD);
    await post.locator(".comment-state", { hasText: "held for moderation" }).waitFor();
    await home.locator(".notices", { hasText: "held for moderation" }).waitFor();
    const late = await open(context, `/posts/${slug}`);
    const { id } = await site.commentOf(HELD, "pending");
    await site.api("POST", `/comments/${id}/reject`, {});
    await post.locator(".comment-state", { hasText: "not accepted: the site's admin" }).waitFor();
    for (const window of [home, late]) {
      await window.locator(".notices", { hasText: "was not published: the site's admin" }).waitFor();
    }
    for (const other of others) assert.equal(await notices(other), 0);
  });

  it("hear of the first comment also while other events come thick and fast", async () => {
    for (let round = 1; round <= 4; round += 1) {
      const [slug, busy] = [await site.post(), await site.post()];
      const context = await visitors.enter(site);
      await open(context, `/posts/${busy}`);
      const [post, home] = [await open(context, `/posts/${slug}`), await open(context, "/")];
      const others = remarks(busy);
      try {
        await write(post, `${HELD} Round ${round}.`);
        await post.locator(".comment-state", { hasText: "held for moderation" }).waitFor();
        await home.locator(".notices", { hasText: "held for moderation" }).waitFor();
      } finally {
        await others.end();
      }
    }
  });

  /**
   * One comment after another, until it ends.
   * @param {string} slug
   */
  function remarks(slug) {
    let isOver = false;
    const all = (async () => {
      for (let at = 1; !isOver; at += 1) {
        await site.comment(slug, `Remark ${at}`);
        await site.commentOf(`Remark ${at}`, "approved");
      }
    })();
    return {
      end() {
        isOver = true;
        return all;
      },
    };
  }

  it("share a session that no cookie holds", async () => {
    const { context, post, home } = await enter();
    await write(post, "Without a cookie");
    await home.locator(".notices .notice").first().waitFor();
    assert.deepEqual(await context.cookies(), []);
    const sessions = await Promise.all([post, home].map((page) => page.evaluate(() => localStorage.getItem("hearth-page-session"))));
    assert.match(sessions[0] ?? "", /"page-[0-9a-f]{32}"/);
    assert.equal(sessions[0], sessions[1]);
  });
});

describe("windows of the admin", () => {
  const site = useSite();
  const visitors = useBrowser();

  async function signIn() {
    const context = await visitors.enter(site);
    const page = await context.newPage();
    await page.goto(await site.signInLink());
    assert.equal(new URL(page.url()).pathname, "/admin");
    return { context, page };
  }

  it("hear that a post was saved in another, and the one that saved it does not", async () => {
    const { context, page } = await signIn();
    const slug = await site.post();
    const other = await context.newPage();
    for (const window of [page, other]) {
      await window.goto(`/admin/posts/${slug}/edit`);
      await untilLive(window);
    }
    await page.getByLabel("Title", { exact: true }).fill("Saved in the first window");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("The post is saved.").waitFor();
    await other.locator(".notices", { hasText: "was saved elsewhere" }).waitFor();
    await assertLooks(other, "notice-saved-elsewhere");
    assert.equal(await notices(page), 0);
    await other.getByRole("link", { name: "Open it as it is now" }).click();
    await until("new title", async () => (await other.getByLabel("Title", { exact: true }).inputValue()) === "Saved in the first window");
  });

  it("hear that the settings were saved and that the session was ended", async () => {
    const { context, page } = await signIn();
    const other = await context.newPage();
    for (const window of [page, other]) {
      await window.goto("/admin/settings");
      await untilLive(window);
    }
    await page.getByLabel("Title", { exact: true }).fill("Another name");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("The settings are saved.").waitFor();
    await other.locator(".notices", { hasText: "settings were saved elsewhere" }).waitFor();
    assert.equal(await notices(page), 0);
    await page.getByRole("button", { name: "Sign out" }).click();
    await other.locator(".notices", { hasText: "You were signed out" }).waitFor();
  });
});

/** How many notices a window shows. @param {Page} page */
function notices(page) {
  return page.locator(".notices .notice").count();
}
