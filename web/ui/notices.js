// @ts-check
/** Short messages at the edge of the window, until they are closed. */

const SHOWN = 3;

const region = document.createElement("div");
region.className = "notices";
region.setAttribute("role", "status");
document.body.append(region);

/**
 * @param {string} text
 * @param {{href: string, words: string}} [link]
 * @param {"info" | "warning"} [tone]
 */
export function notify(text, link, tone = "info") {
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.dataset.tone = tone;
  notice.append(text);
  if (link) notice.append(" ", anchor(link));
  notice.append(closer(notice));
  region.append(notice);
  for (const old of [...region.children].slice(0, -SHOWN)) old.remove();
}

/** @param {{href: string, words: string}} link */
function anchor({ href, words }) {
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.textContent = words;
  return anchor;
}

/** @param {Element} notice */
function closer(notice) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link";
  button.textContent = "Close";
  button.addEventListener("click", () => notice.remove());
  return button;
}
