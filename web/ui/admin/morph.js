// @ts-check
/**
 * Makes one tree like another and leaves alone what is equal already, so that
 * focus, selections and half-typed texts stay.
 */

/**
 * @param {Element} shown
 * @param {Element} wanted
 */
export function morph(shown, wanted) {
  if (shown.isEqualNode(wanted) || isBeingEdited(shown)) return;
  attributes(shown, wanted);
  children(shown, wanted);
}

/** @param {Element} element */
function isBeingEdited(element) {
  return element instanceof HTMLInputElement && !element.readOnly && element.value !== element.defaultValue;
}

/**
 * @param {Element} shown
 * @param {Element} wanted
 */
function attributes(shown, wanted) {
  for (const { name } of [...shown.attributes]) {
    if (!wanted.hasAttribute(name)) shown.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
}

/**
 * @param {Element} shown
 * @param {Element} wanted
 */
function children(shown, wanted) {
  let place = shown.firstChild;
  for (const child of [...wanted.childNodes]) {
    const match = counterpart(place, child);
    if (!match) {
      shown.insertBefore(document.importNode(child, true), place);
      continue;
    }
    if (match !== place) shown.insertBefore(match, place);
    else place = place.nextSibling;
    if (match instanceof Element && child instanceof Element) morph(match, child);
    else if (match.nodeValue !== child.nodeValue) match.nodeValue = child.nodeValue;
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/**
 * From `place` on, the node that stands for `child`: by id where it has one,
 * else the one at the place itself if it is of the same kind.
 * @param {ChildNode | null} place
 * @param {Node} child
 * @returns {ChildNode | null}
 */
function counterpart(place, child) {
  const id = child instanceof Element ? child.id : "";
  if (!id) {
    const same = place && place.nodeName === child.nodeName && !(place instanceof Element && place.id);
    return same ? place : null;
  }
  for (let node = place; node; node = node.nextSibling) {
    if (node instanceof Element && node.id === id) return node;
  }
  return null;
}
