// @ts-check
/** As much of NATS as a test needs that tells something as a worker would. */

import { once } from "node:events";
import { connect } from "node:net";

/**
 * Publishes one message, and returns when the server has it.
 * @param {string} url of NATS
 * @param {string} subject
 * @param {unknown} body
 */
export async function publish(url, subject, body) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, "data");
  const text = JSON.stringify(body);
  const message = `PUB ${subject} ${Buffer.byteLength(text)}\r\n${text}\r\n`;
  socket.write(`CONNECT {"verbose":false}\r\n${message}PING\r\n`);
  await once(socket, "data");
  socket.end();
}
