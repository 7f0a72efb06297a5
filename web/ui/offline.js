// @ts-check
/** Reading without a network: the service worker, its copies, what it has kept. */

/** @typedef {import("./live.js").Live} Live */

/** The name that the service worker keeps pages under. */
const PAGES = "hearth-pages";

/** @param {Live} live */
export function startOffline(live) {
  void register();
  const note = document.querySelector("[data-offline-copy]");
  if (note) live.onState((state) => state === "live" && showReturn(note));
  const list = document.querySelector("[data-kept-pages]");
  if (!list) return;
  void showKept(list);
  addEventListener("online", () => location.reload());
}

async function register() {
  if (!("serviceWorker" in navigator)) return;
  const isNew = !navigator.serviceWorker.controller;
  try {
    await navigator.serviceWorker.register("/sw.js");
    const { active } = await navigator.serviceWorker.ready;
    if (isNew) active?.postMessage({ keep: location.pathname });
  } catch {
    return;
  }
}

/** @param {Element} note */
function showReturn(note) {
  const link = Object.assign(document.createElement("a"), { href: location.href, textContent: "Load the page as it is now" });
  link.addEventListener("click", (event) => {
    event.preventDefault();
    location.reload();
  });
  note.replaceChildren("You are online again. ", link);
}

/** @param {Element} list */
async function showKept(list) {
  const cache = await caches.open(PAGES);
  const pages = await Promise.all([...(await cache.keys())].reverse().map(async (request) => {
    const title = (await cache.match(request))?.headers.get("X-Title") ?? "";
    return row(new URL(request.url).pathname, decodeURIComponent(title));
  }));
  list.replaceChildren(...pages);
  const section = list.closest("section");
  if (section) section.hidden = pages.length === 0;
}

/**
 * @param {string} path
 * @param {string} title as HTML has it, the site's name at its end
 */
function row(path, title) {
  const text = new DOMParser().parseFromString(title, "text/html").body.textContent?.replace(/ · [^·]*$/, "");
  const item = document.createElement("li");
  item.append(Object.assign(document.createElement("a"), { href: path, textContent: text || path }));
  return item;
}
