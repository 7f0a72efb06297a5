// @ts-check
/** On a narrow screen the navigation scrolls: to where the reader is. */

export function startNav() {
  const nav = document.getElementById("admin-nav");
  const here = nav?.querySelector("[aria-current]");
  if (!nav || !(here instanceof HTMLElement)) return;
  nav.scrollLeft = here.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
}
