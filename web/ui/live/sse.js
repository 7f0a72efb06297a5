// @ts-check
/** The text of an event stream, taken apart. */

/** @typedef {{event: string, id: string, data: string}} Frame */

/**
 * What a whole answer says: its events, the place after the last, and the
 * pause that the server asks for.
 * @param {string} text
 */
export function parse(text) {
  /** @type {Frame[]} */
  const frames = [];
  let [id, retry] = ["", 0];
  for (const block of text.split(/\r\n\r\n|\n\n|\r\r/)) {
    const fields = block.split(/\r\n|\n|\r/).map(field);
    const last = (/** @type {string} */ name) => fields.findLast(([known]) => known === name)?.[1];
    id = last("id") ?? id;
    retry = Number(last("retry") ?? retry);
    const data = fields.filter(([name]) => name === "data").map(([, value]) => value);
    if (data.length > 0) frames.push({ event: last("event") ?? "message", id, data: data.join("\n") });
  }
  return { frames, id, retry };
}

/** @param {string} line */
function field(line) {
  const [name, ...rest] = line.split(":");
  return [name, rest.join(":").replace(/^ /, "")];
}
