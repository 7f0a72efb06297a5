// @ts-check
/** Caddy in front of a site, with the site's own Caddyfile and a certificate of its own. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";

import { until } from "./until.js";

const CADDYFILE = fileURLToPath(new URL("../../../deploy/Caddyfile", import.meta.url));
/** Where Caddy keeps the certificate that it has signed its own with. */
const AUTHORITY = "caddy/pki/authorities/local/root.crt";

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}

export class Caddy {
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;
  #dir = "";
  #url = "";
  log = "";

  /** @param {import("./site.js").Site} site */
  async up(site) {
    const program = process.env.CADDY;
    if (!program) throw new Error("CADDY names the program of Caddy; ./site test browser sets it");
    const [tls, http, admin, nobody] = await Promise.all(Array.from({ length: 4 }, freePort));
    this.#dir = await mkdtemp(join(tmpdir(), "hearth-caddy-"));
    this.#url = `https://localhost:${tls}`;
    const web = new URL(site.url).host;
    const env = {
      ...process.env,
      SITE_URL: this.#url,
      WEB_UPSTREAM: web,
      // An edge that is away is no reason to serve no events.
      LIVE_UPSTREAMS: `127.0.0.1:${nobody} ${web}`,
      CADDY_ADMIN: `127.0.0.1:${admin}`,
      CADDY_HTTP_PORT: String(http),
      XDG_DATA_HOME: this.#dir,
      XDG_CONFIG_HOME: this.#dir,
    };
    this.#process = spawn(program, ["run", "--config", CADDYFILE], { env, stdio: "pipe" });
    for (const output of [this.#process.stdout, this.#process.stderr]) {
      output?.on("data", (text) => (this.log += text));
    }
    await until("Caddy", () => this.#answers(), 30_000);
  }

  async #answers() {
    if (this.#process?.exitCode !== null) throw new Error(`Caddy ended: ${this.log}`);
    try {
      const session = await this.connect();
      session.close();
      return true;
    } catch {
      return false;
    }
  }

  /** One connection of HTTP/2, whose certificate is verified. */
  async connect() {
    const ca = await readFile(join(this.#dir, AUTHORITY));
    const session = connect(this.#url, { ca });
    await once(session, "connect");
    return session;
  }

  async down() {
    this.#process?.kill("SIGKILL");
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/**
 * Caddy for the tests of one file.
 * @param {import("./site.js").Site} site which is up before
 */
export function useCaddy(site) {
  const caddy = new Caddy();
  before(() => caddy.up(site), { timeout: 60_000 });
  after(() => caddy.down());
  return caddy;
}
