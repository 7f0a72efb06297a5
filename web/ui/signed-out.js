// @ts-check
/** Says so when the session of this browser was ended in another window. */

import { notify } from "./notices.js";
import { onUserNews } from "./user.js";

/** @typedef {import("./live.js").Live} Live */

/** @param {Live} live */
export function startSignedOut(live) {
  onUserNews(live, "session-ended", () => void look());
}

/** It may have been that of another browser. */
async function look() {
  try {
    const { status } = await fetch("/account", { method: "HEAD", cache: "no-store", redirect: "manual" });
    if (status === 200 || status >= 500) return;
    notify("You were signed out in another window.", { href: "/signin", words: "Sign in" }, "warning");
  } catch {
    return;
  }
}
