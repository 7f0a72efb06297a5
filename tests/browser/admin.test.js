// @ts-check
/** The admin at work: signs in by mail, writes, uploads, decides, looks on, leaves. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, it } from "node:test";

import { isMarked, mark, untilLive, useBrowser } from "./support/browser.js";
import { publish } from "./support/nats.js";
import { useSite } from "./support/site.js";
import { until } from "./support/until.js";

/** @typedef {import("playwright-core").Page} Page */

const EMAIL = "admin@example.com";

describe("the admin", () => {
  const site = useSite();
  const visitors = useBrowser();
  /** What the browser kept of the sign-in. @type {string} */
  let session = "";

  before(async () => {
    const context = await visitors.enter(site);
    await context.request.get(site.json.signin_link);
    session = JSON.stringify(await context.storageState());
    await visitors.leave();
  });

  /** @param {string} path a page of the signed-in admin's */
  async function open(path) {
    const context = await visitors.enter(site, { storageState: JSON.parse(session) });
    const page = await context.newPage();
    await page.goto(path);
    return page;
  }

  /** @param {string} path a page of somebody else's */
  async function openAsVisitor(path) {
    const page = await (await visitors.enter(site)).newPage();
    const response = await page.goto(path);
    return { page, status: response?.status() };
  }

  it("signs in by the code in a mail, and not by another", async () => {
    const page = await (await visitors.enter(site)).newPage();
    await page.goto("/admin");
    assert.equal(new URL(page.url()).pathname, "/signin");
    const known = await site.mails();
    await page.getByLabel("Email").fill(EMAIL);
    await page.getByRole("button", { name: "Send me a code" }).click();

    const mail = await site.nextMail(known);
    assert.match(mail, new RegExp(`^To: .*${EMAIL}`, "im"));
    const code = /^ +(\d+)\r?$/m.exec(mail)?.[1] ?? "";
    const wrong = String((Number(code) + 1) % 10 ** code.length).padStart(code.length, "0");
    await page.getByLabel("Code").fill(wrong);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").filter({ hasText: "not the right one" }).waitFor();

    await page.getByLabel("Code").fill(code);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { level: 1, name: "Dashboard" }).waitFor();
  });

  it("gives a mail to nobody else, and says nothing about it", async () => {
    const known = await site.mails();
    const { page } = await openAsVisitor("/signin");
    await page.getByLabel("Email").fill("somebody@example.com");
    await page.getByRole("button", { name: "Send me a code" }).click();
    await page.getByRole("heading", { name: "Enter the code" }).waitFor();
    await until("done mail job", async () => {
      const { items } = await site.api("GET", "/jobs?queue=mail&state=done");
      return items.length > known.length;
    });
    assert.deepEqual(await site.mails(), known);
  });

  it("writes a post with a preview, keeps it as a draft, and publishes it", async () => {
    const page = await open("/admin/posts");
    await page.getByRole("link", { name: "New post" }).click();
    await page.getByLabel("Title", { exact: true }).fill("Written in the panel");
    await page.getByLabel("Text").fill("It is **bold**.\n\n```rust\nfn main() {}\n```\n");
    await page.getByLabel("Tags").fill("panel, writing");
    await page.getByRole("button", { name: "Preview" }).click();
    const preview = page.locator("[data-preview-target]");
    await preview.locator("strong", { hasText: "bold" }).waitFor();
    await page.getByLabel("Text").fill("It is **bolder**.");
    await preview.locator("strong", { hasText: "bolder" }).waitFor();
    assert.equal(await page.getByRole("heading", { level: 1 }).first().textContent(), "New post");

    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("The post is saved.").waitFor();
    assert.equal((await openAsVisitor("/posts/written-in-the-panel")).status, 404);

    await page.getByLabel("Published", { exact: true }).check();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("link", { name: "View", exact: true }).waitFor();
    const visitor = await openAsVisitor("/posts/written-in-the-panel");
    assert.equal(visitor.status, 200);
    await visitor.page.locator("strong", { hasText: "bolder" }).waitFor();
    await visitor.page.getByRole("link", { name: "writing" }).waitFor();
  });

  it("keeps what was typed when a post cannot be saved", async () => {
    await site.post({ title: "The first" });
    const page = await open("/admin/posts/new");
    await page.getByLabel("Title", { exact: true }).fill("The second");
    await page.getByLabel("Text").fill("Pages of text.");
    await page.getByLabel("Address").fill(await site.post());
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator("#slug-error").waitFor();
    assert.equal(await page.getByLabel("Text").inputValue(), "Pages of text.");
  });

  it("uploads an image and sees it become ready, live", async () => {
    const page = await open("/admin/images");
    await site.api("POST", "/queues/images/pause");
    await page.getByLabel("Image", { exact: true }).setInputFiles({
      name: "canvas.jpg",
      mimeType: "image/jpeg",
      buffer: await drawn(page),
    });
    await page.getByLabel("Alternative text what the picture shows").fill("Two colours");
    await page.getByRole("button", { name: "Upload" }).click();
    const card = page.locator(".image-card", { hasText: "canvas.jpg" });
    await card.locator(".badge", { hasText: "queued" }).waitFor();
    await untilLive(page);
    await mark(page);

    await site.api("POST", "/queues/images/resume");
    await card.locator(".badge", { hasText: "ready" }).waitFor();
    const thumbnail = card.getByRole("img", { name: "Two colours" });
    await until("loaded thumbnail", () =>
      thumbnail.evaluate((img) => /** @type {HTMLImageElement} */ (img).naturalWidth > 0),
    );
    await card.getByText("1200×800").waitFor();
    assert.ok(await isMarked(page), "the page was not loaded again");
  });

  it("is told why a file is no image", async () => {
    const page = await open("/admin/images");
    const file = { name: "note.png", mimeType: "image/png", buffer: Buffer.from("no picture at all") };
    await page.getByLabel("Image", { exact: true }).setInputFiles(file);
    await page.getByRole("button", { name: "Upload" }).click();
    const refused = page.locator("#file-error");
    const failed = page.locator(".image-card", { hasText: "note.png" }).locator(".error-line");
    await refused.or(failed).first().waitFor();
  });

  it("approves a held comment in the list, and everybody sees it, live", async () => {
    const slug = await site.post();
    const reader = (await openAsVisitor(`/posts/${slug}`)).page;
    await untilLive(reader);
    const page = await open("/admin/comments");
    await untilLive(page);
    await mark(page);

    const author = (await openAsVisitor(`/posts/${slug}`)).page;
    await author.getByLabel("Comment", { exact: true }).fill("Have you heard of the casino?");
    await author.getByLabel("Name").fill("Gus");
    await author.getByRole("button", { name: "Post comment" }).click();

    const held = page.locator(".moderation > li", { hasText: "Have you heard of the casino?" });
    await held.getByText("casino”").waitFor();
    assert.equal(await reader.locator(".comment").count(), 0);
    await held.getByRole("button", { name: "Approve" }).click();
    await held.waitFor({ state: "detached" });
    await reader.locator('.comment[data-status="approved"]', { hasText: "Have you heard" }).waitFor();
    assert.ok(await isMarked(page), "the list was not loaded again");
  });

  it("rejects a held comment, and it stays unseen", async () => {
    const slug = await site.post();
    const { page: author } = await openAsVisitor(`/posts/${slug}`);
    await author.getByLabel("Comment", { exact: true }).fill("Buy now, a jackpot for you.");
    await author.getByLabel("Name").fill("Hal");
    await author.getByRole("button", { name: "Post comment" }).click();
    await site.commentOf("Buy now, a jackpot for you.", "pending");

    const page = await open("/admin/comments");
    const held = page.locator(".moderation > li", { hasText: "a jackpot for you" });
    await held.getByRole("button", { name: "Reject" }).click();
    await held.waitFor({ state: "detached" });
    await author.locator(".comment-state", { hasText: "not accepted" }).waitFor();
    assert.deepEqual((await site.api("GET", `/posts/${slug}/comments`)).items, []);
  });

  it("sees readers, views and finished jobs move on the dashboard", async () => {
    const slug = await site.post({ title: "Read while you watch" });
    const page = await open("/admin");
    await untilLive(page);
    await mark(page);
    const before = {
      readers: await number(page, ".figure-live [data-readers]"),
      today: await number(page, "[data-views-today]"),
      ever: await number(page, "[data-site-views]"),
      done: await number(page, 'tr:has(a:text-is("comments")) [data-label="Done"]'),
    };

    const { page: reader } = await openAsVisitor(`/posts/${slug}`);
    await untilLive(reader);
    await untilMore(page, ".figure-live [data-readers]", before.readers);
    await untilMore(page, "[data-views-today]", before.today);
    await untilMore(page, "[data-site-views]", before.ever);
    await site.comment(slug, "A job for the queue");
    await untilMore(page, 'tr:has(a:text-is("comments")) [data-label="Done"]', before.done);
    await reader.close();
    await until("reader less", async () => (await number(page, ".figure-live [data-readers]")) === before.readers);
    assert.ok(await isMarked(page), "the dashboard was not loaded again");
  });

  it("pauses and resumes a queue from the dashboard", async () => {
    const page = await open("/admin");
    await mark(page);
    await page.getByRole("button", { name: "Pause mail" }).click();
    await page.getByRole("button", { name: "Resume mail" }).click();
    await page.getByRole("button", { name: "Pause mail" }).waitFor();
    assert.ok(await isMarked(page), "the dashboard was not loaded again");
  });

  it("finds a job in the list, with its attempts and its cause", async () => {
    const slug = await site.post();
    await site.comment(slug, "To be traced");
    const page = await open("/admin/jobs?queue=comments&state=done");
    await page.locator("tbody th a", { hasText: "check" }).first().click();
    await page.locator(".attempts li", { hasText: "Attempt 1" }).waitFor();
    assert.match(await page.locator(".facts", { hasText: "Cause" }).innerText(), /Cause\s+[0-9a-f-]{36}/);
  });

  it("sees how far a job is, live, in the list and on its page", async () => {
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    const order = { queue: "images", kind: "variants", payload: {}, run_at: tomorrow };
    const { id } = await site.api("POST", "/jobs", order);
    const pages = await Promise.all([
      open("/admin/jobs?queue=images&state=scheduled"),
      open(`/admin/jobs/${id}`),
    ]);
    for (const page of pages) await untilLive(page);
    const payload = {
      job: id, queue: "images", kind: "variants", state: "running", attempt: 1, error: null, progress: 0.4,
    };
    await publish(site.json.nats_url, "events.jobs.images", {
      id: randomUUID(), kind: "job.running", version: 1, time: new Date().toISOString(),
      cause: id, attempt: 1, payload,
    });
    for (const page of pages) {
      const bar = page.locator(`progress[data-job="${id}"]`);
      await bar.waitFor();
      assert.equal(await bar.getAttribute("value"), "0.4");
    }
    await site.api("POST", `/jobs/${id}/cancel`);
  });

  it("runs a backup and sees it done, live", async () => {
    const page = await open("/admin/backups");
    await untilLive(page);
    await mark(page);
    await page.getByRole("button", { name: "Run now daily" }).click();
    const tier = page.locator(".tier", { has: page.getByRole("heading", { name: "daily" }) });
    await tier.locator(".badge", { hasText: "done" }).waitFor({ timeout: 60_000 });
    await page.locator("#runs tbody tr", { hasText: "daily" }).first().waitFor();
    assert.ok(await isMarked(page), "the page was not loaded again");
  });

  it("names the site in the settings, and every page says so", async () => {
    const page = await open("/admin/settings");
    const old = await page.getByLabel("Title", { exact: true }).inputValue();
    await page.getByLabel("Title", { exact: true }).fill("Another hearth");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("status").or(page.getByRole("alert")).first().waitFor();
    const { page: reader } = await openAsVisitor("/");
    await reader.locator(".brand", { hasText: "Another hearth" }).waitFor();
    await page.getByLabel("Title", { exact: true }).fill(old);
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator(".brand", { hasText: old }).waitFor();
  });

  it("signs out, and the panel is closed", async () => {
    const page = await open("/admin");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("You are signed out.").waitFor();
    await page.goto("/admin/comments");
    assert.equal(new URL(page.url()).pathname, "/signin");
    const answer = await page.request.get("/events?topic=jobs.comments");
    assert.equal(answer.status(), 401);
  });
});

/**
 * A JPEG that the page draws.
 * @param {Page} page
 */
async function drawn(page) {
  const bytes = await page.evaluate(async () => {
    const canvas = document.createElement("canvas");
    canvas.width = 1200;
    canvas.height = 800;
    const context = canvas.getContext("2d");
    if (!context) throw new Error("the browser cannot draw");
    const gradient = context.createLinearGradient(0, 0, 1200, 800);
    gradient.addColorStop(0, "darkorange");
    gradient.addColorStop(1, "midnightblue");
    context.fillStyle = gradient;
    context.fillRect(0, 0, 1200, 800);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
    return [...new Uint8Array(await blob.arrayBuffer())];
  });
  return Buffer.from(bytes);
}

/**
 * @param {Page} page
 * @param {string} selector
 */
async function number(page, selector) {
  return Number(await page.locator(selector).first().innerText());
}

/**
 * @param {Page} page
 * @param {string} selector
 * @param {number} than
 */
async function untilMore(page, selector, than) {
  await until(`${selector} above ${than}`, async () => (await number(page, selector)) > than);
}
