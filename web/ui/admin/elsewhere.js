// @ts-check
/** What the admin does in one window and has to know in the others. */

import { notify } from "../notices.js";
import { onUserNews } from "../user.js";

/** @typedef {import("../live.js").Live} Live */

/** @param {Live} live */
export function startElsewhere(live) {
  onUserNews(live, "post-saved", postSaved);
  onUserNews(live, "settings-saved", settingsSaved);
}

/**
 * The window that saved it shows that version already.
 * @param {{slug: string, title: string, version: number}} saved
 */
function postSaved({ slug, title, version }) {
  const form = document.querySelector("[data-editor]");
  if (!(form instanceof HTMLFormElement) || form.dataset.editor !== slug) return;
  const open = form.elements.namedItem("version");
  if (!(open instanceof HTMLInputElement) || Number(open.value) >= version) return;
  const text = `“${title}” was saved elsewhere. What you write here is of an older version.`;
  notify(text, { href: location.pathname, words: "Open it as it is now" }, "warning");
}

/** @param {Record<string, string>} settings as they are now */
function settingsSaved(settings) {
  const form = document.querySelector("[data-settings]");
  if (!(form instanceof HTMLFormElement)) return;
  const differs = ([name, value] = ["", ""]) => loaded(form.elements.namedItem(name)) !== value;
  if (!Object.entries(settings).some(differs)) return;
  notify("The settings were saved elsewhere.", { href: location.pathname, words: "Show them" }, "warning");
}

/**
 * What a field held when the page was loaded.
 * @param {RadioNodeList | Element | null} field
 */
function loaded(field) {
  if (field instanceof HTMLSelectElement) return [...field.options].find((option) => option.defaultSelected)?.value;
  return field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement ? field.defaultValue : "";
}
