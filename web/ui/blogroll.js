// @ts-check
/** The box with the newest posts of other sites. */

import { fetchPage } from "./page.js";

/** @typedef {import("./live.js").Live} Live */
/** @typedef {{site: string, title: string, url: string, published_at: string}} Item */

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

/** @param {Live} live */
export function startBlogroll(live) {
  const box = document.querySelector("[data-blogroll]");
  if (!(box instanceof HTMLElement)) return;
  live.on("blogroll", ({ envelope }) => {
    const { items } = /** @type {{items: Item[]}} */ (envelope.payload);
    show(box, items.filter(leadsToTheWeb).map(row));
  });
  live.onReset(async () => {
    const page = await fetchPage();
    if (page) show(box, [...page.querySelectorAll("[data-blogroll-items] > li")]);
  });
}

/**
 * @param {HTMLElement} box
 * @param {Element[]} rows
 */
function show(box, rows) {
  box.querySelector("[data-blogroll-items]")?.replaceChildren(...rows);
  box.hidden = rows.length === 0;
}

/** @param {Item} item */
function leadsToTheWeb({ url }) {
  return URL.canParse(url) && ["http:", "https:"].includes(new URL(url).protocol);
}

/** @param {Item} item */
function row({ site, title, url, published_at }) {
  const link = Object.assign(document.createElement("a"), { href: url, rel: "noopener nofollow", textContent: title });
  const name = Object.assign(document.createElement("span"), { textContent: site });
  const day = DAY.format(new Date(published_at));
  const time = Object.assign(document.createElement("time"), { dateTime: published_at, textContent: day });
  const meta = Object.assign(document.createElement("span"), { className: "meta" });
  meta.append(name, " ", time);
  const item = document.createElement("li");
  item.append(link, " ", meta);
  return item;
}
