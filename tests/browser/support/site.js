// @ts-check
/** A whole site, started by its own command in a directory of its own. */

import { execFile, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { until } from "./until.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const COMMAND = join(ROOT, "target/release/site");
const START_MS = 180_000;
const STOP_MS = 60_000;

const run = promisify(execFile);

/**
 * What `site.json` says, as far as these tests read it.
 * @typedef {object} SiteJson
 * @property {string} url
 * @property {string} nats_url
 * @property {Record<"web" | "worker" | "cron", string>} ops
 * @property {string} admin_token
 * @property {string} signin_link
 * @property {string} mail_dir
 * @property {Record<string, number>} pids
 */

/** @typedef {{id: string, author: string, body: string, html: string, status: string}} Comment */
/** @typedef {{id: string, status: string, error?: string}} Image */

export class Site {
  dir = join(tmpdir(), `hearth-browser-${randomUUID()}`);
  /** Whether a test failed, so that the logs are worth keeping. */
  failed = false;

  /** @param {Record<string, string>} [variables] more of the site's own */
  async up(variables = {}) {
    const stop = () => {
      spawnSync(COMMAND, ["down", "--dir", this.dir]);
      process.exit(1);
    };
    process.once("SIGINT", stop).once("SIGTERM", stop);
    await this.#site(["up", "--detach", "--port", "0", "--no-build"], variables);
  }

  async down() {
    await this.#site(["down"]);
    if (this.failed) console.log(`the logs of the site are in ${this.dir}`);
    else await rm(this.dir, { recursive: true, force: true });
  }

  /** Sample posts, photographs and comments. */
  async seed() {
    await this.#site(["seed"]);
  }

  /**
   * @param {string[]} words a verb, and what follows
   * @param {Record<string, string>} [variables]
   */
  async #site([verb, ...rest], variables = {}) {
    const env = { ...process.env, ...variables };
    await run(COMMAND, [verb, "--dir", this.dir, ...rest], { cwd: ROOT, env });
  }

  /** `site.json` as it is now. @returns {SiteJson} */
  get json() {
    return JSON.parse(readFileSync(join(this.dir, "site.json"), "utf8"));
  }

  /** A link of one's own that signs the admin in, once. @returns {Promise<string>} */
  async signInLink() {
    const words = ["exec", "--dir", this.dir, "web", "admin", "signin-link"];
    const { stdout } = await run(COMMAND, words, { cwd: ROOT });
    return stdout.trim();
  }

  get url() {
    return this.json.url.replace(/\/$/, "");
  }

  /**
   * Kills a process with -9 and waits until its successor is ready.
   * @param {"web" | "worker" | "cron"} name
   */
  async killAndWait(name) {
    const old = this.json.pids[name];
    process.kill(old, "SIGKILL");
    await until(`new ${name}`, () => this.json.pids[name] !== old, 30_000);
    await until(`ready ${name}`, () => this.#isReady(name), 30_000);
  }

  /** @param {"web" | "worker" | "cron"} name */
  async #isReady(name) {
    try {
      return (await fetch(new URL("/readyz", this.json.ops[name]))).ok;
    } catch {
      return false;
    }
  }

  /**
   * Calls the API as the admin; JSON in, JSON out.
   * @param {string} method
   * @param {string} path below `/api/v1`
   * @param {unknown} [body] a form, or what becomes JSON
   * @returns {Promise<any>}
   */
  async api(method, path, body) {
    const isForm = body instanceof FormData;
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.json.admin_token}`,
        ...(isForm || body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      body: isForm ? body : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /**
   * Publishes a post of its own for a test.
   * @param {Partial<{title: string, markdown: string, tags: string[], status: string}>} [parts]
   * @returns {Promise<string>} its slug
   */
  async post(parts = {}) {
    const slug = `post-${randomUUID().slice(0, 8)}`;
    await this.api("POST", "/posts", {
      slug,
      title: "A post to talk about",
      markdown: "Some text.",
      tags: ["talk"],
      status: "published",
      ...parts,
    });
    return slug;
  }

  /**
   * A comment by the admin, which is approved at once.
   * @param {string} slug
   * @param {string} body
   * @returns {Promise<string>} its id
   */
  async comment(slug, body) {
    return (await this.api("POST", `/posts/${slug}/comments`, { author: "The admin", body })).id;
  }

  /**
   * The comment of this text, once it was checked and has this status.
   * @param {string} body
   * @param {string} status
   * @returns {Promise<Comment>}
   */
  async commentOf(body, status) {
    return until(`${status} comment “${body}”`, async () => {
      /** @type {{items: Comment[]}} */
      const { items } = await this.api("GET", `/comments?status=${status}`);
      return items.find((comment) => comment.body === body && comment.html !== "");
    });
  }

  /**
   * Uploads a picture and waits until it is ready.
   * @param {Buffer} bytes
   * @param {string} alt
   * @returns {Promise<string>} its id
   */
  async image(bytes, alt) {
    const form = new FormData();
    form.set("file", new Blob([new Uint8Array(bytes)], { type: "image/png" }), "picture.png");
    form.set("alt", alt);
    const { id } = await this.api("POST", "/images", form);
    await until(`ready image ${id}`, async () => {
      /** @type {Image} */
      const image = await this.api("GET", `/images/${id}`);
      if (image.status === "failed") throw new Error(image.error);
      return image.status === "ready";
    }, 60_000);
    return id;
  }

  /** Names of the mails that were sent so far. */
  async mails() {
    try {
      return (await readdir(this.json.mail_dir)).filter((name) => name.endsWith(".eml"));
    } catch {
      return [];
    }
  }

  /**
   * The text of the first mail that is not among those known.
   * @param {string[]} known
   */
  async nextMail(known) {
    const name = await until("new mail", async () => {
      return (await this.mails()).find((mail) => !known.includes(mail));
    });
    return readFile(join(this.json.mail_dir, name), "utf8");
  }
}

/**
 * A site for the tests of one file; it goes down whatever becomes of them.
 * @param {Record<string, string>} [variables]
 */
export function useSite(variables) {
  const site = new Site();
  before(() => site.up(variables), { timeout: START_MS });
  afterEach((context) => {
    site.failed ||= "passed" in context && context.passed === false;
  });
  after(() => site.down(), { timeout: STOP_MS });
  return site;
}
