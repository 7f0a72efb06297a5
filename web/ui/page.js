// @ts-check
/** The present page, asked for again. */

/** @type {Promise<Document | null> | null} */
let loading = null;

/**
 * The page as the server has it now; callers of the same moment share one
 * request. Null if the server does not answer with the page.
 */
export function fetchPage() {
  loading ??= loadPage().finally(() => {
    loading = null;
  });
  return loading;
}

async function loadPage() {
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!response.ok || new URL(response.url).pathname !== location.pathname) return null;
    return new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return null;
  }
}
