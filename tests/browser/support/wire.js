// @ts-check
/** A wire between a browser and the site, which can be cut and mended. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** @typedef {import("node:net").Socket} Socket */

export class Wire {
  #isCut = false;
  /** @type {Set<Socket>} */ #sockets = new Set();
  /** @type {URL} */ #site;
  #server = createServer((socket) => this.#join(socket));

  /** @param {string} site its address */
  constructor(site) {
    this.#site = new URL(site);
  }

  /** @returns {Promise<string>} the address of its near end */
  async lay() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (this.#server.address());
    return `http://127.0.0.1:${port}`;
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
    const far = connect(Number(this.#site.port), this.#site.hostname);
    for (const [socket, other] of [[near, far], [far, near]]) {
      this.#sockets.add(socket);
      socket.pipe(other);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
