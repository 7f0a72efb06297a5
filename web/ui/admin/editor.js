// @ts-check
/** The post editor: a preview beside the text, and no text lost by accident. */

import { localTime } from "../time.js";

const PAUSE_MS = 400;

export function startEditor() {
  const form = document.querySelector("[data-editor]");
  if (form instanceof HTMLFormElement) new Editor(form).start();
}

class Editor {
  /** @type {HTMLFormElement} */ #form;
  /** @type {HTMLTextAreaElement} */ #text;
  /** @type {HTMLElement} */ #panel;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #changed = false;
  #request = 0;

  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.#form = form;
    this.#text = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("markdown"));
    this.#panel = /** @type {HTMLElement} */ (form.querySelector("[data-preview-panel]"));
  }

  start() {
    this.#form.addEventListener("input", ({ target }) => this.#input(target));
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    this.#form.addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("[data-insert]") : null;
      if (button instanceof HTMLElement) this.#insert(button.dataset.insert ?? "");
    });
    for (const button of this.#form.querySelectorAll("[data-insert]")) button.removeAttribute("hidden");
    addEventListener("beforeunload", (event) => {
      if (this.#changed) event.preventDefault();
    });
    addEventListener("keydown", (event) => {
      if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#showLocalTime();
  }

  /** @param {EventTarget | null} [field] that was typed into */
  #input(field) {
    this.#changed = true;
    if (field instanceof Element) forgive(field);
    this.#showLocalTime();
    if (this.#panel.hidden) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#preview(), PAUSE_MS);
  }

  /** @param {SubmitEvent} event */
  #submit(event) {
    if (!event.submitter?.matches("[data-preview-button]")) {
      this.#changed = false;
      return;
    }
    event.preventDefault();
    for (const field of this.#form.querySelectorAll("[aria-invalid]")) forgive(field);
    this.#panel.hidden = !this.#panel.hidden;
    event.submitter.setAttribute("aria-expanded", String(!this.#panel.hidden));
    if (!this.#panel.hidden) void this.#preview();
  }

  async #preview() {
    this.#request += 1;
    const request = this.#request;
    const page = await this.#rendered();
    if (request !== this.#request) return;
    const state = this.#panel.querySelector("[data-preview-state]");
    const target = this.#panel.querySelector("[data-preview-target]");
    const preview = page?.querySelector("[data-preview]");
    if (state) state.textContent = preview ? "" : "No preview: the server did not answer.";
    if (preview) target?.replaceChildren(document.importNode(preview, true));
  }

  async #rendered() {
    try {
      const response = await fetch("/admin/preview", {
        method: "POST",
        headers: { Accept: "text/html" },
        body: new URLSearchParams(/** @type {any} */ (new FormData(this.#form))),
      });
      if (!response.ok) return null;
      return new DOMParser().parseFromString(await response.text(), "text/html");
    } catch {
      return null;
    }
  }

  /** @param {string} markdown put where the cursor is, as a paragraph */
  #insert(markdown) {
    const before = this.#text.value.slice(0, this.#text.selectionStart);
    const gap = before === "" || before.endsWith("\n\n") ? "" : before.endsWith("\n") ? "\n" : "\n\n";
    this.#text.setRangeText(`${gap}${markdown}\n\n`, this.#text.selectionStart, this.#text.selectionEnd, "end");
    this.#text.focus();
    this.#input();
  }

  /** The field is in UTC; the hint says when that is here. */
  #showLocalTime() {
    const field = /** @type {HTMLInputElement} */ (this.#form.elements.namedItem("publish_at"));
    const hint = this.#form.querySelector("[data-publish-local]");
    if (hint) hint.textContent = field.value ? `${localTime(`${field.value}Z`)} where you are` : "";
  }
}

/**
 * What was wrong with a field when it was sent may not be any more.
 * @param {Element} field
 */
function forgive(field) {
  const error = field.getAttribute("aria-describedby");
  if (!field.hasAttribute("aria-invalid")) return;
  field.removeAttribute("aria-invalid");
  if (error) document.getElementById(error)?.remove();
  field.removeAttribute("aria-describedby");
}
