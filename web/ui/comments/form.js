// @ts-check
/** The comment form: its fields, whom it answers, what it says. */

/** @typedef {import("../outbox/store.js").Draft} Draft */

const REMEMBERED = "hearth-commenter";
const FIELDS = /** @type {const} */ (["author", "email", "body", "parent"]);

export class CommentForm {
  /** @type {HTMLElement} */ #section;
  /** @type {HTMLFormElement} */ #form;

  /**
   * @param {HTMLElement} section
   * @param {HTMLFormElement} form
   */
  constructor(section, form) {
    this.#section = section;
    this.#form = form;
  }

  /** @param {(draft: Draft) => void} submit */
  start(submit) {
    this.#recall();
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.fail("");
      this.tell("");
      submit(this.#draft());
    });
    this.#section.addEventListener("click", (event) => this.#click(event));
    this.#section.addEventListener("thread:replace", () => this.#goHome());
  }

  get action() {
    return new URL(this.#form.action).pathname;
  }

  get isEmpty() {
    return this.#field("body").value.trim() === "";
  }

  /** The text has gone; who wrote it stays. */
  clear() {
    this.#remember(this.#draft());
    this.#field("body").value = "";
    this.#answer("", "");
  }

  /**
   * Gives a text back to whoever wrote it.
   * @param {Draft} draft
   */
  fill(draft) {
    for (const name of FIELDS) this.#field(name).value = draft[name];
    const parent = draft.parent && document.getElementById(`comment-${draft.parent}`);
    const author = parent ? parent.querySelector(".comment-author")?.textContent : "";
    this.#answer(draft.parent, author || "a comment");
    this.#field("body").focus();
  }

  /** @param {boolean} busy */
  wait(busy) {
    const button = this.#form.querySelector("button");
    if (!button) return;
    button.disabled = busy;
    button.textContent = busy ? "Posting…" : "Post comment";
    this.#field("body").readOnly = busy;
  }

  /** @param {string} words */
  fail(words) {
    for (const old of this.#form.querySelectorAll(".notice:not([data-form-error], [data-form-status])")) old.remove();
    this.#say("[data-form-error]", words);
  }

  /** @param {string} words about what was sent */
  tell(words) {
    this.#say("[data-form-status]", words);
  }

  /**
   * @param {string} selector
   * @param {string} words
   */
  #say(selector, words) {
    const place = this.#form.querySelector(selector);
    if (!(place instanceof HTMLElement)) return;
    place.hidden = words === "";
    place.textContent = words;
  }

  /** @param {string} name */
  #field(name) {
    return /** @type {HTMLInputElement | HTMLTextAreaElement} */ (this.#form.elements.namedItem(name));
  }

  /** @returns {Draft} */
  #draft() {
    const [author, email, body, parent] = FIELDS.map((name) => this.#field(name).value);
    return { author, email, body, parent };
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
