// @ts-check
/**
 * The service worker: pages that were read can be read again without a
 * network. The site puts the version and the files of `/ui` before this text.
 */

/** @typedef {{version: string, files: string[]}} Assets */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const { version, files } = /** @type {{HEARTH: Assets}} */ (/** @type {unknown} */ (self)).HEARTH;

const UI = `hearth-ui-${version}`;
const PAGES = "hearth-pages";
const OFFLINE = "/offline";
/** So many pages are kept; the one that was read longest ago makes room. */
const PAGES_MAX = 40;
/** What is kept: the home page, posts, tags. */
const KEPT = /^\/(posts\/[^/]+|tags(\/[^/]+)?)?$/;
/** What is nobody's but the network's. */
const LEFT_ALONE = /^\/(admin|account|signin|api|events|media|hits)(\/|$)/;

worker.addEventListener("install", (event) => {
  event.waitUntil(install().then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(activate());
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin || LEFT_ALONE.test(url.pathname)) return;
  if (request.mode === "navigate") event.respondWith(page(event, url));
  else if (url.pathname.startsWith("/ui/")) event.respondWith(asset(request, url));
});

/** A page that was there before this worker asks to be kept as it is. */
worker.addEventListener("message", (event) => {
  const url = new URL(String(event.data?.keep), location.origin);
  event.waitUntil(fetch(url, { cache: "force-cache" }).then((response) => keep(url, response)));
});

async function install() {
  const cache = await caches.open(UI);
  await cache.addAll(files.map((file) => `/ui/${file}?v=${version}`));
  // The same page for everybody, whoever is signed in.
  await cache.put(OFFLINE, await fetch(OFFLINE, { credentials: "omit" }));
}

async function activate() {
  const old = (await caches.keys()).filter((name) => name.startsWith("hearth-ui-") && name !== UI);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.registration.navigationPreload?.enable();
  await worker.clients.claim();
}

/**
 * From the network, else as it was read last.
 * @param {FetchEvent} event
 * @param {URL} url
 */
async function page(event, url) {
  try {
    const response = (await event.preloadResponse) ?? (await fetch(event.request));
    if ([502, 503, 504].includes(response.status)) return (await copy(url)) ?? response;
    event.waitUntil(keep(url, response.clone()));
    return response;
  } catch {
    return (await copy(url)) ?? (await caches.match(OFFLINE)) ?? Response.error();
  }
}

/**
 * Files under their version are as good as from the network; a module that
 * another imports has none, and may be of a newer site than this worker.
 * @param {Request} request
 * @param {URL} url
 */
async function asset(request, url) {
  const kept = async () => (await caches.open(UI)).match(url.pathname, { ignoreSearch: true });
  if (url.searchParams.get("v") === version) return (await kept()) ?? fetch(request);
  try {
    return await fetch(request);
  } catch {
    return (await kept()) ?? Response.error();
  }
}

/**
 * Keeps a page that everybody sees so.
 * @param {URL} url
 * @param {Response} response
 */
async function keep(url, response) {
  if (!KEPT.test(url.pathname) || url.search || response.status !== 200 || response.redirected) return;
  if (/no-store/.test(response.headers.get("Cache-Control") ?? "")) return;
  const html = await response.text();
  if (/<body[^>]* data-signed-in/.test(html)) return;
  const title = /<title>([^<]*)<\/title>/.exec(html)?.[1] ?? url.pathname;
  const headers = new Headers(response.headers);
  headers.delete("Content-Encoding");
  headers.set("X-Kept", new Date().toISOString());
  headers.set("X-Title", encodeURIComponent(title));
  const cache = await caches.open(PAGES);
  await cache.delete(url.pathname);
  await cache.put(url.pathname, new Response(html, { headers }));
  const keys = await cache.keys();
  await Promise.all(keys.slice(0, -PAGES_MAX).map((key) => cache.delete(key)));
}

/**
 * A page as it was read last, and a note that says so.
 * @param {URL} url
 */
async function copy(url) {
  const kept = await (await caches.open(PAGES)).match(url.pathname);
  if (!kept) return undefined;
  const time = kept.headers.get("X-Kept") ?? "";
  const day = `<time datetime="${time}" data-local="minute">${time.slice(0, 16).replace("T", ", ")} UTC</time>`;
  const note = `<p class="notice" role="status" data-offline-copy>You are offline. This is the page as you read it on ${day}.</p>`;
  const html = (await kept.text()).replace(/<main[^>]*>/, (tag) => `${tag}\n${note}`);
  return new Response(html, { headers: kept.headers });
}
