// @ts-check
/** The live connections that a browser has open. */

/** @typedef {import("playwright-core").BrowserContext} BrowserContext */
/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").Request} Request */

/** Watches every tab of a browser, those that open later too. */
export class Connections {
  /** @type {Map<Request, Page>} with the tab that holds each */
  #open = new Map();
  /** How many were opened so far. */
  opened = 0;

  /** @param {BrowserContext} context */
  constructor(context) {
    context.on("page", (page) => this.#watch(page));
  }

  /** @param {Page} page */
  #watch(page) {
    page.on("request", (request) => {
      if (new URL(request.url()).pathname !== "/events") return;
      this.opened += 1;
      this.#open.set(request, page);
    });
    page.on("requestfinished", (request) => this.#open.delete(request));
    page.on("requestfailed", (request) => this.#open.delete(request));
    page.on("close", () => {
      for (const [request, holder] of this.#open) if (holder === page) this.#open.delete(request);
    });
  }

  /** The tabs that hold a connection now, one entry a connection. */
  get holders() {
    return [...this.#open.values()];
  }
}
