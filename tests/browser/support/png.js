// @ts-check
/** Pictures made without a library. */

import { crc32, deflateSync } from "node:zlib";

/**
 * A smooth gradient as a PNG of 8 bits a colour.
 * @param {number} width
 * @param {number} height
 * @param {number} [seed] makes another picture
 */
export function png(width, height, seed = 0) {
  const rows = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0, at = 0; y < height; y += 1) {
    rows[at++] = 0;
    for (let x = 0; x < width; x += 1) {
      rows[at++] = (255 * x) / width;
      rows[at++] = (255 * y) / height;
      rows[at++] = (x + y + seed) & 255;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND")]);
}

/**
 * @param {string} type
 * @param {Buffer} [data]
 */
function chunk(type, data = Buffer.alloc(0)) {
  const content = Buffer.concat([Buffer.from(type), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(content));
  return Buffer.concat([length, content, check]);
}
