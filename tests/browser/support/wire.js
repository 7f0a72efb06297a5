// @ts-check
/**
 * A wire between a browser and the site, which can be cut and mended, which
 * knows the live connections that it carries, and which can hold streams back
 * as some proxies do.
 */

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterEach } from "node:test";

/** @typedef {import("node:net").Socket} Socket */

export class Wire {
  /** Whether a stream's bytes wait for its end. */
  holdsStreams = false;
  /** How many requests asked for events, and did not want a stream. */
  polls = 0;
  #isCut = false;
  /** @type {Set<Socket>} */ #sockets = new Set();
  /** @type {Set<Socket>} those that carry a stream of events */ #streams = new Set();
  /** @type {() => string} */ #site;
  #server = createServer((socket) => this.#join(socket));

  /** @param {() => string} site its address */
  constructor(site) {
    this.#site = site;
  }

  /** @returns {Promise<string>} the address of its near end */
  async lay() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (this.#server.address());
    return `http://127.0.0.1:${port}`;
  }

  /** How many streams of events are open. */
  get streams() {
    return this.#streams.size;
  }

  /** Ends every connection, and takes no other. */
  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    this.#isCut = false;
  }

  remove() {
    this.cut();
    this.#server.close();
  }

  /** @param {Socket} near */
  #join(near) {
    if (this.#isCut) {
      near.destroy();
      return;
    }
    const site = new URL(this.#site());
    const far = connect(Number(site.port), site.hostname);
    near.on("data", (bytes) => {
      this.#read(near, bytes);
      far.write(bytes);
    });
    far.on("data", (bytes) => {
      if (!this.holdsStreams || !this.#streams.has(near)) near.write(bytes);
    });
    for (const [socket, other] of [[near, far], [far, near]]) {
      this.#sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("end", () => other.end());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        this.#streams.delete(socket);
        other.destroy();
      });
    }
  }

  /**
   * @param {Socket} near
   * @param {Buffer} bytes
   */
  #read(near, bytes) {
    const [, path] = /^[A-Z]+ (\S+) HTTP/.exec(bytes.toString("latin1")) ?? [];
    if (path === undefined) return;
    const isPoll = /^\/events\?.*\bwait=/.test(path);
    if (isPoll) this.polls += 1;
    if (path.startsWith("/events?") && !isPoll) this.#streams.add(near);
    else this.#streams.delete(near);
  }
}

/**
 * Lays wires to a site, which are gone after the test.
 * @param {import("./site.js").Site} site
 */
export function useWires(site) {
  /** @type {Wire[]} */
  const wires = [];
  afterEach(() => wires.splice(0).forEach((wire) => wire.remove()));
  return async () => {
    const wire = new Wire(() => site.url);
    wires.push(wire);
    return { wire, baseURL: await wire.lay() };
  };
}
