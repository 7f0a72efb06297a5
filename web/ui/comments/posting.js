// @ts-check
/**
 * From the form to the thread. In the mode `safe` a comment is shown when its
 * event has come, in `optimistic` at once as pending, in `brave` at once as
 * done; what is refused goes back into the form with the reason.
 */

/** @typedef {import("./form.js").CommentForm} CommentForm */
/** @typedef {import("./thread.js").Thread} Thread */
/** @typedef {import("../outbox/outbox.js").News} News */
/** @typedef {import("../outbox/outbox.js").Outbox} Outbox */
/** @typedef {import("../outbox/store.js").Draft} Draft */
/** @typedef {import("../outbox/store.js").Parcel} Parcel */
/** @typedef {import("./thread.js").Outcome} Outcome */

const WAITS = "waits to be sent";
const UNSAVED = "The comment could not be kept for sending. Your text is still here: try again in a moment.";
/** @type {Record<Outcome, string>} */
const WORDS = {
  approved: "",
  pending: "Thank you. Your comment is held for moderation: it is kept, and waits for a look before it appears.",
  rejected: "The comment was not accepted.",
  slow: "Thank you. Your comment is kept, and appears after its check.",
};

export class Posting {
  /** @type {CommentForm} */ #form;
  /** @type {Thread} */ #thread;
  /** @type {Outbox} */ #outbox;
  /** @type {string} */ #post;
  /** @type {string} */ #mode;
  /** What the form waits for, in the safe mode. */
  #awaited = "";
  /** @type {Map<string, Parcel>} what can be discarded or edited */
  #held = new Map();
  /** Keys of what is with the server, or taken back. */
  #over = new Set();

  /**
   * @param {{form: CommentForm, thread: Thread, outbox: Outbox, post: string, mode: string}} parts
   */
  constructor({ form, thread, outbox, post, mode }) {
    this.#form = form;
    this.#thread = thread;
    this.#outbox = outbox;
    this.#post = post;
    this.#mode = mode;
  }

  /** @param {HTMLElement} section */
  async start(section) {
    this.#form.start((draft) => void this.#submit(draft));
    this.#outbox.onNews((news, own) => this.#hear(news, own));
    section.addEventListener("click", ({ target }) => this.#click(target));
    for (const parcel of await this.#outbox.of(this.#post)) {
      if (this.#over.has(parcel.key)) continue;
      this.#hold(parcel, parcel.refused);
    }
  }

  /** @param {Draft} draft */
  async #submit(draft) {
    if (this.#awaited) return;
    const parcel = { key: freshKey(), action: this.#form.action, post: this.#post, draft, written: Date.now() };
    if (this.#mode === "safe") {
      this.#awaited = parcel.key;
      this.#form.wait(true);
    } else {
      const [status, words] = this.#mode === "brave" ? /** @type {const} */ (["approved", ""]) : /** @type {const} */ (["pending", "sending…"]);
      this.#thread.expect(parcel, status, words);
      this.#form.clear();
      this.#thread.focus(parcel.key);
    }
    await this.#outbox.add(parcel).catch(() => this.#giveBack(parcel, UNSAVED));
  }

  /**
   * @param {News} news
   * @param {boolean} own  whether this tab sent it
   */
  #hear(news, own) {
    if (news.type === "sent") void this.#sent(news.key, news.id);
    else if (news.type === "discarded") this.#drop(news.key);
    else if (news.parcel.post !== this.#post) return;
    else if (news.type === "waits") this.#hold(news.parcel, undefined, news.reason);
    else if (own && (this.#awaited === news.parcel.key || this.#form.isEmpty)) this.#giveBack(news.parcel, news.reason);
    else this.#hold(news.parcel, news.reason);
  }

  /**
   * @param {string} key
   * @param {string} id
   */
  async #sent(key, id) {
    this.#over.add(key);
    this.#held.delete(key);
    this.#thread.settle(key, id);
    if (this.#awaited !== key) return;
    const outcome = await this.#thread.outcome(id);
    this.#release();
    if (outcome === "rejected") this.#form.fail(WORDS.rejected);
    else this.#form.clear();
    if (outcome !== "rejected") this.#form.tell(WORDS[outcome]);
  }

  /**
   * Shows what is not with the server, refused or not yet sent.
   * @param {Parcel} parcel
   * @param {string} [refused] why
   * @param {string} [waits] for what
   */
  #hold(parcel, refused, waits = WAITS) {
    if (this.#awaited === parcel.key) {
      this.#release();
      this.#form.clear();
    }
    this.#held.set(parcel.key, parcel);
    if (refused) this.#thread.hold(parcel, "failed", refused);
    else this.#thread.hold(parcel, "waiting", waits);
  }

  /**
   * @param {Parcel} parcel
   * @param {string} reason
   */
  #giveBack(parcel, reason) {
    if (this.#awaited === parcel.key) this.#release();
    this.#drop(parcel.key);
    this.#form.fill(parcel.draft);
    this.#form.fail(reason);
    void this.#outbox.discard(parcel.key);
  }

  /** @param {string} key */
  #drop(key) {
    this.#over.add(key);
    this.#held.delete(key);
    this.#thread.drop(key);
  }

  #release() {
    this.#awaited = "";
    this.#form.wait(false);
  }

  /** @param {EventTarget | null} target */
  #click(target) {
    const button = target instanceof Element ? target.closest("[data-discard], [data-edit]") : null;
    if (!(button instanceof HTMLElement)) return;
    const { discard, edit } = button.dataset;
    const parcel = this.#held.get(edit ?? discard ?? "");
    if (parcel && edit) this.#giveBack(parcel, "");
    else if (parcel) void this.#outbox.discard(parcel.key);
  }
}

/** Which a retry is known by: nobody can guess it. */
function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
