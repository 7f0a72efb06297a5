// @ts-check
/** The comment form: sends without leaving the page, and never loses a text. */

/** @typedef {import("./comments.js").Comment} Comment */
/** @typedef {import("./comments.js").Thread} Thread */
/** @typedef {{author: string, email: string, body: string, parent: string}} Draft */

const REMEMBERED = "hearth-commenter";
const OFFLINE = "The comment could not be sent. Your text is still here: try again in a moment.";

/**
 * @param {HTMLElement} section
 * @param {Thread} thread
 */
export function startCommentForm(section, thread) {
  const form = section.querySelector("[data-comment-form]");
  if (form instanceof HTMLFormElement) new CommentForm(section, form, thread).start();
}

class CommentForm {
  /** @type {HTMLElement} */ #section;
  /** @type {HTMLFormElement} */ #form;
  /** @type {Thread} */ #thread;
  /** What was sent under the present key. */
  #sent = "";

  /**
   * @param {HTMLElement} section
   * @param {HTMLFormElement} form
   * @param {Thread} thread
   */
  constructor(section, form, thread) {
    this.#section = section;
    this.#form = form;
    this.#thread = thread;
  }

  start() {
    this.#recall();
    // The page may come from the browser's cache, its key with it.
    this.#renewKey();
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#section.addEventListener("click", (event) => this.#click(event));
    this.#section.addEventListener("thread:replace", () => this.#goHome());
  }

  /** @param {string} name */
  #field(name) {
    return /** @type {HTMLInputElement | HTMLTextAreaElement} */ (this.#form.elements.namedItem(name));
  }

  /** @returns {Draft} */
  #draft() {
    const [author, email, body, parent] = ["author", "email", "body", "parent"].map(
      (name) => this.#field(name).value,
    );
    return { author, email, body, parent };
  }

  async #submit() {
    const draft = this.#draft();
    const payload = JSON.stringify(draft, (key, value) => (key && value === "" ? undefined : value));
    if (this.#sent && this.#sent !== payload) this.#renewKey();
    this.#sent = payload;
    this.#busy(true);
    this.#fail("");
    try {
      const response = await fetch(this.#form.action, {
        method: "POST",
        headers: {
          Accept: "application/json",
          "Content-Type": "application/json",
          "Idempotency-Key": this.#field("key").value,
        },
        body: payload,
      });
      if (response.ok) this.#accepted(draft, await response.json());
      else this.#fail(await reason(response));
    } catch {
      this.#fail(OFFLINE);
    } finally {
      this.#busy(false);
    }
  }

  /**
   * @param {Draft} draft
   * @param {{id: string}} answer
   */
  #accepted(draft, answer) {
    this.#thread.expect({
      id: answer.id,
      post: this.#section.dataset.comments ?? "",
      parent: draft.parent || null,
      author: draft.author,
      body: draft.body,
      html: paragraphs(draft.body),
      status: "pending",
      created_at: new Date().toISOString(),
    });
    this.#field("body").value = "";
    this.#renewKey();
    this.#remember(draft);
    this.#answer("", "");
    document.getElementById(`comment-${answer.id}`)?.focus();
  }

  #renewKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    this.#field("key").value = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    this.#sent = "";
  }

  /** @param {MouseEvent} event */
  #click(event) {
    if (!(event.target instanceof Element) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const reply = event.target.closest("[data-reply]");
    const cancel = event.target.closest("[data-reply-cancel]");
    if (!reply && !cancel) return;
    event.preventDefault();
    const { reply: id = "", replyAuthor = "" } = reply instanceof HTMLElement ? reply.dataset : {};
    this.#answer(id, replyAuthor);
    this.#field("body").focus();
  }

  /**
   * Points the form at a comment and moves it there; an empty id takes it back.
   * @param {string} id
   * @param {string} author
   */
  #answer(id, author) {
    this.#field("parent").value = id;
    const hint = this.#form.querySelector("[data-replying]");
    const link = this.#form.querySelector("[data-replying-to]");
    const title = this.#form.querySelector("h3");
    if (hint instanceof HTMLElement) hint.hidden = id === "";
    if (link) {
      link.textContent = author;
      link.setAttribute("href", `#comment-${id}`);
    }
    if (title) title.textContent = id ? `Reply to ${author}` : "Write a comment";
    const article = id ? document.getElementById(`comment-${id}`) : null;
    if (article) article.after(this.#form);
    else this.#goHome();
  }

  /** The form goes back below the thread, before the thread changes. */
  #goHome() {
    if (this.#form.parentElement !== this.#section) this.#section.append(this.#form);
  }

  /** @param {boolean} busy */
  #busy(busy) {
    const button = this.#form.querySelector("button");
    if (!button) return;
    button.disabled = busy;
    button.textContent = busy ? "Posting…" : "Post comment";
  }

  /** @param {string} words */
  #fail(words) {
    for (const old of this.#form.querySelectorAll(".notice:not([data-form-error])")) old.remove();
    const place = this.#form.querySelector("[data-form-error]");
    if (!(place instanceof HTMLElement)) return;
    place.hidden = words === "";
    place.textContent = words;
  }

  /** @param {Draft} draft */
  #remember({ author, email }) {
    try {
      localStorage.setItem(REMEMBERED, JSON.stringify({ author, email }));
    } catch {
      return;
    }
  }

  /** Who commented from this browser before need not type the name again. */
  #recall() {
    try {
      const { author, email } = JSON.parse(localStorage.getItem(REMEMBERED) ?? "{}");
      if (author && !this.#field("author").value) this.#field("author").value = author;
      if (email && !this.#field("email").value) this.#field("email").value = email;
    } catch {
      return;
    }
  }
}

/**
 * Why the server refused, in its own words.
 * @param {Response} response
 */
async function reason(response) {
  try {
    const problem = await response.json();
    return problem.detail || problem.title || OFFLINE;
  } catch {
    return OFFLINE;
  }
}

/**
 * The typed text as paragraphs, until the server's HTML arrives.
 * @param {string} text
 */
function paragraphs(text) {
  return text
    .split(/\n{2,}/)
    .map((part) => {
      const paragraph = document.createElement("p");
      paragraph.textContent = part;
      return paragraph.outerHTML;
    })
    .join("");
}
