// @ts-check
/** Reports the page view: once a page load, when somebody can see the page. */

const ATTEMPTS = 3;

export function reportHit() {
  if (!("hit" in document.body.dataset)) return;
  if (document.visibilityState === "visible") {
    void send();
  } else {
    document.addEventListener("visibilitychange", () => void send(), { once: true });
  }
}

async function send() {
  const hit = JSON.stringify({
    path: location.pathname,
    referrer: document.referrer,
    title: document.title,
    width: window.innerWidth,
  });
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    if (await stored(hit)) return;
    await new Promise((resolve) => setTimeout(resolve, 1000 * 3 ** attempt * (0.5 + Math.random())));
  }
}

/**
 * Whether nothing is left to do: the hit is stored, or it was refused for good.
 * @param {string} hit
 */
async function stored(hit) {
  try {
    const response = await fetch("/hits", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: hit,
      keepalive: true,
    });
    return response.status < 500 && response.status !== 429;
  } catch {
    return false;
  }
}
