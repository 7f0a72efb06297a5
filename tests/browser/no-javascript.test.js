// @ts-check
/** A visitor whose browser runs no script: every page works, by links and forms. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { useBrowser } from "./support/browser.js";
import { png } from "./support/png.js";
import { useSite } from "./support/site.js";
import { until } from "./support/until.js";

/** @typedef {import("playwright-core").Page} Page */

const WITHOUT = { javaScriptEnabled: false };
/** More stops of the Tab key than this are too far for a keyboard. */
const STOPS_MAX = 40;

describe("a visitor without JavaScript", () => {
  const site = useSite();
  const visitors = useBrowser();
  let slug = "";

  before(async () => {
    const image = await site.image(png(900, 600), "A gradient");
    slug = await site.post({
      title: "Embers and other warm things",
      markdown: `The xylophone stands by the fire.\n\n![A gradient](image:${image})`,
      tags: ["warmth"],
    });
  });

  /** @param {string} path */
  async function open(path) {
    const page = await (await visitors.enter(site, WITHOUT)).newPage();
    await page.goto(path);
    return page;
  }

  it("reads from the home page to a post, its tag and the search", async () => {
    const page = await open("/");
    await page.getByRole("link", { name: "Embers and other warm things" }).click();
    assert.equal(new URL(page.url()).pathname, `/posts/${slug}`);
    await page.getByText("The xylophone stands by the fire.").waitFor();

    await page.getByRole("link", { name: "warmth", exact: true }).click();
    assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "warmth");
    await page.getByRole("link", { name: "Embers and other warm things" }).waitFor();

    await page.getByLabel("Search the posts").fill("xylophone");
    await page.getByLabel("Search the posts").press("Enter");
    assert.equal(await page.locator(".hits mark").first().textContent(), "xylophone");
    await page.getByRole("link", { name: "Embers and other warm things" }).click();
    assert.equal(new URL(page.url()).pathname, `/posts/${slug}`);
  });

  it("finds a comment on the page that answers its form", async () => {
    const page = await open(`/posts/${slug}`);
    await write(page, "Ann", "Written without a *script*.");
    await page.getByRole("button", { name: "Post comment" }).click();
    assert.equal(new URL(page.url()).pathname, `/posts/${slug}`);
    await page.getByText("Thank you. Your comment").waitFor();

    const comment = await afterReloads(page, "Written without a script.");
    assert.equal(await comment.locator("em").textContent(), "script");
    assert.equal(await comment.locator(".comment-author").textContent(), "Ann");
    assert.equal(await page.locator("[data-comment-count]").textContent(), "1");
  });

  it("keeps what was typed beside what is wrong with it", async () => {
    const page = await open(`/posts/${slug}`);
    await write(page, "   ", "A long thought that must not be lost.");
    await page.getByLabel("Email").fill("ann@example.com");
    await page.getByRole("button", { name: "Post comment" }).click();

    const name = page.getByLabel("Name");
    assert.equal(await name.getAttribute("aria-invalid"), "true");
    assert.ok(await page.locator("#comment-author-error").textContent());
    assert.equal(await page.getByLabel("Comment", { exact: true }).inputValue(), "A long thought that must not be lost.");
    assert.equal(await page.getByLabel("Email").inputValue(), "ann@example.com");

    await name.fill("Ann");
    await page.getByRole("button", { name: "Post comment" }).click();
    await afterReloads(page, "A long thought that must not be lost.");
  });

  it("replies by the link below a comment", async () => {
    const parent = await site.comment(slug, "Who answers me?");
    const page = await open(`/posts/${slug}`);
    await page.locator(`#comment-${parent}`).getByRole("link", { name: "Reply to The admin" }).click();
    await page.getByRole("heading", { name: "Reply to The admin" }).waitFor();
    await write(page, "Ben", "I do, by the link.");
    await page.getByRole("button", { name: "Post comment" }).click();

    await afterReloads(page, "I do, by the link.");
    const answered = page.locator(".comment-item", { has: page.locator(`> #comment-${parent}`) });
    await answered.locator("> .replies", { hasText: "I do, by the link." }).waitFor();
  });

  it("sees pictures of a size that is fixed before they load", async () => {
    const page = await open(`/posts/${slug}`);
    await assertFixed(page, ".prose img");
    await page.goto("/");
    await assertFixed(page, ".post-row-picture img");
  });

  it("comments by the keyboard alone", async () => {
    const page = await open(`/posts/${slug}`);
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "Skip to the text");
    await page.keyboard.press("Enter");

    await tabTo(page, "comment-body");
    await page.keyboard.type("No mouse was near.");
    await tabTo(page, "comment-author");
    await page.keyboard.type("Cleo");
    await tabTo(page, "comment-email");
    await page.keyboard.press("Enter");
    await page.getByText("Thank you. Your comment").waitFor();
    await afterReloads(page, "No mouse was near.");
  });

  it("is told in words that a page is not there", async () => {
    const page = await open("/");
    const response = await page.goto("/posts/nothing-of-this-name");
    assert.equal(response?.status(), 404);
    await page.getByRole("link", { name: "To the posts" }).click();
    assert.equal(new URL(page.url()).pathname, "/");
  });
});

describe("an admin without JavaScript", () => {
  const site = useSite();
  const visitors = useBrowser();

  it("signs in by link, previews and publishes a post, and approves a comment", async () => {
    const page = await (await visitors.enter(site, WITHOUT)).newPage();
    await page.goto(site.json.signin_link);
    assert.equal(new URL(page.url()).pathname, "/admin");

    await page.goto("/admin/posts/new");
    await page.getByLabel("Title", { exact: true }).fill("By forms alone");
    await page.getByLabel("Text").fill("A **bold** claim.");
    await page.getByRole("button", { name: "Preview" }).click();
    assert.equal(await page.locator("[data-preview] strong").textContent(), "bold");
    await page.goBack();
    await page.getByLabel("Published", { exact: true }).check();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("The post is saved.").waitFor();
    await page.getByRole("link", { name: "View", exact: true }).click();
    assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "By forms alone");

    const visitor = await (await visitors.enter(site, WITHOUT)).newPage();
    await visitor.goto("/posts/by-forms-alone");
    await write(visitor, "Spammer", "The best casino of the town.");
    await visitor.getByRole("button", { name: "Post comment" }).click();
    await site.commentOf("The best casino of the town.", "pending");
    await page.goto("/admin/comments");
    await page.getByRole("button", { name: "Approve the comment by Spammer" }).click();
    await afterReloads(visitor, "The best casino of the town.");
  });
});

/**
 * @param {Page} page
 * @param {string} author
 * @param {string} body
 */
async function write(page, author, body) {
  await page.getByLabel("Comment", { exact: true }).fill(body);
  await page.getByLabel("Name").fill(author);
}

/**
 * The comment that says this, once a reload shows it.
 * @param {Page} page
 * @param {string} text
 */
async function afterReloads(page, text) {
  const comment = page.locator(".comment", { hasText: text });
  await until(`comment “${text}”`, async () => {
    if ((await comment.count()) > 0) return true;
    await page.reload();
    return false;
  });
  assert.equal(await comment.count(), 1, `“${text}” is there once`);
  return comment;
}

/**
 * The picture has a size and an alternative text in the HTML, and is shown in
 * the proportion that was reserved for it.
 * @param {Page} page
 * @param {string} selector
 */
async function assertFixed(page, selector) {
  const image = page.locator(selector).first();
  await image.scrollIntoViewIfNeeded();
  const [width, height] = await Promise.all(
    ["width", "height"].map(async (name) => Number(await image.getAttribute(name))),
  );
  assert.ok(width > 0 && height > 0, `${selector} has a width and a height`);
  assert.notEqual(await image.getAttribute("alt"), null);
  await until(`loaded ${selector}`, () => image.evaluate((img) => /** @type {HTMLImageElement} */ (img).naturalWidth > 0));
  const natural = await image.evaluate((img) => {
    const { naturalWidth, naturalHeight } = /** @type {HTMLImageElement} */ (img);
    return naturalWidth / naturalHeight;
  });
  assert.ok(Math.abs(natural - width / height) < 0.02, `${selector} says its own proportion`);
}

/** The words of what has the focus. @param {Page} page */
async function focused(page) {
  return page.evaluate(() => document.activeElement?.textContent?.trim());
}

/**
 * Presses Tab until the element of this id has the focus; each stop shows it.
 * @param {Page} page
 * @param {string} id
 */
async function tabTo(page, id) {
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    await page.keyboard.press("Tab");
    const { at, shown } = await page.evaluate(() => {
      const element = document.activeElement ?? document.body;
      return { at: element.id, shown: getComputedStyle(element).outlineStyle !== "none" };
    });
    assert.ok(shown, `the focus is seen at stop ${stop}`);
    if (at === id) return;
  }
  assert.fail(`#${id} is not within ${STOPS_MAX} stops`);
}
