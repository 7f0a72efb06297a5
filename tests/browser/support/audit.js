// @ts-check
/** What must hold of every page, as the browser itself sees it. */

/** @typedef {import("playwright-core").Page} Page */

/** Roles of what people act on, or read as a picture: each must say what it is. */
const NAMED = new Set([
  "button", "link", "textbox", "searchbox", "combobox", "checkbox", "radio", "spinbutton", "image", "img",
  "DisclosureTriangle", "navigation",
]);

/**
 * Everything that is wrong with the page as it is shown now, in words.
 * @param {Page} page
 * @returns {Promise<string[]>}
 */
export async function audit(page) {
  const [unnamed, structure, layout, contrast] = await Promise.all([
    unnamedElements(page),
    page.evaluate(structureFaults),
    page.evaluate(layoutFaults),
    page.evaluate(contrastFaults),
  ]);
  return [...unnamed, ...structure, ...layout, ...contrast];
}

/**
 * By the browser's own accessibility tree.
 * @param {Page} page
 */
async function unnamedElements(page) {
  const session = await page.context().newCDPSession(page);
  try {
    const { nodes } = await session.send("Accessibility.getFullAXTree");
    const faults = [];
    for (const { ignored, role, name, backendDOMNodeId } of nodes) {
      if (ignored || !NAMED.has(String(role?.value)) || String(name?.value ?? "").trim()) continue;
      const { node } = await session.send("DOM.describeNode", { backendNodeId: backendDOMNodeId });
      faults.push(`<${node.localName}${attributes(node.attributes)}> has no accessible name`);
    }
    return faults;
  } finally {
    await session.detach();
  }
}

/** @param {string[]} [list] names and values by turns */
function attributes(list = []) {
  return list.map((word, at) => (at % 2 ? `"${word}"` : ` ${word}=`)).join("");
}

/** The language, the headings, the ids, the pictures. Runs in the page. */
function structureFaults() {
  const faults = [];
  if (!document.documentElement.lang) faults.push("the page says no language");
  if (!document.title.trim()) faults.push("the page has no title");
  if (document.querySelectorAll("main").length !== 1) faults.push("the page has not one <main>");

  const shown = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter((heading) => heading.checkVisibility());
  const levels = shown.map((heading) => Number(heading.localName[1]));
  if (levels.filter((level) => level === 1).length !== 1) faults.push("the page has not one h1");
  if (levels[0] !== 1) faults.push(`the first heading is an h${levels[0]}`);
  for (let at = 1; at < levels.length; at += 1) {
    const [before, level] = [levels[at - 1], levels[at]];
    if (level > before + 1) faults.push(`h${level} “${shown[at].textContent?.trim()}” follows an h${before}`);
  }

  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) faults.push(`the id ${id} is there twice`);
  for (const image of document.images) {
    const fixed = image.getAttribute("width") && image.getAttribute("height");
    if (!fixed || !image.hasAttribute("alt")) faults.push(`${image.outerHTML} has no fixed size or no alt`);
  }
  for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby], label[for]")) {
    for (const name of ["aria-labelledby", "aria-describedby", "for"]) {
      for (const id of element.getAttribute(name)?.split(/\s+/) ?? []) {
        if (!document.getElementById(id)) faults.push(`${name} of <${element.localName}> names no element: ${id}`);
      }
    }
  }
  return faults;
}

/** Nothing makes the page scroll sideways. Runs in the page. */
function layoutFaults() {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) return [];
  const wide = [...document.body.querySelectorAll("*")].filter((element) => {
    const { right, width } = element.getBoundingClientRect();
    return width > 0 && right > root.clientWidth + 1;
  });
  const names = wide.slice(0, 3).map((element) => `<${element.localName} class="${element.className}">`);
  return [`the page is ${root.scrollWidth} wide in ${root.clientWidth}: ${names.join(", ")}`];
}

/**
 * WCAG AA: text stands out from what is behind it, 4.5:1, large text 3:1.
 * Runs in the page.
 */
function contrastFaults() {
  /** @typedef {[number, number, number, number]} Colour red, green, blue, alpha; 0 to 1 */
  const canvas = new OffscreenCanvas(1, 1);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("the browser cannot draw");
  /** @type {Map<string, Colour>} */
  const known = new Map();

  /** @param {string} css @returns {Colour} */
  const parse = (css) => {
    const found = known.get(css);
    if (found) return found;
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = css;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
    /** @type {Colour} */
    const colour = [red / 255, green / 255, blue / 255, alpha / 255];
    known.set(css, colour);
    return colour;
  };

  /** @param {Colour} top @param {Colour} below @returns {Colour} */
  const over = (top, below) => {
    const alpha = top[3] + below[3] * (1 - top[3]);
    /** @param {number} at */
    const mix = (at) => (alpha ? (top[at] * top[3] + below[at] * below[3] * (1 - top[3])) / alpha : 0);
    return [mix(0), mix(1), mix(2), alpha];
  };

  /** @param {Colour} colour */
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };

  /** @param {Colour} a @param {Colour} b */
  const ratio = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };

  /**
   * The text's own colour and what is behind it, each seen through every
   * opacity in between; null over a picture or gradient.
   * @param {Element} element
   * @returns {{text: Colour, ground: Colour} | null}
   */
  const seen = (element) => {
    /** @type {Colour} */ let text = parse(getComputedStyle(element).color);
    /** @type {Colour} */ let ground = [0, 0, 0, 0];
    for (let at = /** @type {Element | null} */ (element); at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== "none") return null;
      const own = parse(style.backgroundColor);
      const opacity = Number(style.opacity);
      text = over(text, own);
      ground = over(ground, own);
      text = [text[0], text[1], text[2], text[3] * opacity];
      ground = [ground[0], ground[1], ground[2], ground[3] * opacity];
    }
    const paper = parse("Canvas");
    return { text: over(text, paper), ground: over(ground, paper) };
  };

  const faults = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const words = walker.currentNode.textContent?.trim();
    const element = walker.currentNode.parentElement;
    if (!words || !element?.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (element.closest("[aria-hidden=true], :disabled, .visually-hidden, script, template")) continue;
    const colours = seen(element);
    if (!colours) continue;
    const { fontSize, fontWeight } = getComputedStyle(element);
    const size = parseFloat(fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700);
    const found = ratio(colours.text, colours.ground);
    if (found < (isLarge ? 3 : 4.5)) {
      const where = `<${element.localName} class="${element.className}">`;
      faults.add(`contrast ${found.toFixed(2)} of ${where} “${words.slice(0, 40)}”`);
    }
  }
  return [...faults];
}
