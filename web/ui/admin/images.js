// @ts-check
/** Uploading by drop, a check of the size before the bytes travel, copying. */

export function startImages() {
  const form = document.querySelector("[data-upload]");
  if (form instanceof HTMLFormElement) startUpload(form);
  document.addEventListener("click", ({ target }) => {
    if (target instanceof HTMLInputElement && target.matches("[data-copy]")) void copy(target);
  });
}

/** @param {HTMLFormElement} form */
function startUpload(form) {
  const input = form.querySelector("input[type=file]");
  if (!(input instanceof HTMLInputElement)) return;
  input.addEventListener("change", () => check(input));
  for (const type of ["dragenter", "dragover"]) {
    form.addEventListener(type, (event) => {
      event.preventDefault();
      form.dataset.over = "";
    });
  }
  for (const type of ["dragleave", "drop"]) {
    form.addEventListener(type, () => delete form.dataset.over);
  }
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer?.files.length) return;
    input.files = event.dataTransfer.files;
    check(input);
  });
}

/** @param {HTMLInputElement} input */
function check(input) {
  const file = input.files?.[0];
  const most = Number(input.dataset.maxBytes);
  const tooLarge = file !== undefined && file.size > most;
  input.setCustomValidity(tooLarge ? `This file is too large: at most ${Math.floor(most / 1048576)} MiB.` : "");
  input.reportValidity();
}

/** @param {HTMLInputElement} input */
async function copy(input) {
  input.select();
  await navigator.clipboard?.writeText(input.value);
}
