// @ts-check
/**
 * Forms that change something in a list (`data-moderate`, and those of queues
 * and tiers): sent in the background, the answering page fills the fragments.
 */

import { show } from "./fragments.js";

export function startForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.closest("[data-fragment]")) return;
    event.preventDefault();
    void submit(form);
  });
}

/** @param {HTMLFormElement} form */
async function submit(form) {
  const button = form.querySelector("button");
  if (button) button.disabled = true;
  const neighbour = next(form);
  try {
    const response = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "text/html" },
      body: new URLSearchParams(/** @type {any} */ (new FormData(form))),
    });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!response.ok || new URL(response.url).pathname !== location.pathname) throw new Error(response.statusText);
    settle(form);
    show(page);
    if (!form.isConnected) neighbour?.focus();
  } catch {
    form.submit();
  } finally {
    if (button) button.disabled = false;
  }
}

/**
 * What was typed is what is saved now.
 * @param {HTMLFormElement} form
 */
function settle(form) {
  for (const field of form.elements) {
    if (field instanceof HTMLInputElement) field.defaultValue = field.value;
  }
}

/**
 * Where the keyboard goes on when the item of this form leaves the list.
 * @param {HTMLFormElement} form
 */
function next(form) {
  const item = form.closest("li");
  const other = item?.nextElementSibling ?? item?.previousElementSibling;
  return other?.querySelector("button") ?? document.getElementById("main");
}
