// The collection without a query: its entries, newest first, more of them as one scrolls.
//
// /v1/entries?kind&where&order&limit&offset -> pages of entries -> one growing list

import { askPatiently } from "/api.js";

const PAGE = 60;
const LARGEST = 600; // what the server gives at once

export class Browse {
  /** `on` has entries(), trouble(refusal or null), refused(refusal). */
  constructor(end, on) {
    this.on = on;
    this.wanted = ""; // parameters: which entries, in which order
    this.entries = [];
    this.complete = false;
    this.loading = null;
    this.end = end;
    this.watch = new IntersectionObserver((seen) => seen.at(-1).isIntersecting && this.more(), {
      rootMargin: "0px 0px 1200px",
    });
  }

  /** Show the entries of a kind, "image" or "text", that fulfil a condition. */
  show(kind, where, sort) {
    const wanted = { kind, where, order: sort === "oldest" ? sort : "" };
    const given = Object.entries(wanted).filter(([, value]) => value);
    const parameters = String(new URLSearchParams(given));
    if (parameters !== this.wanted) {
      this.wanted = parameters;
      this.entries = [];
      this.#load(0, PAGE);
    } else if (!this.entries.length && !this.loading) {
      this.#load(0, PAGE);
    }
    this.on.entries();
    this.#watch();
  }

  /** Load no more. */
  rest() {
    this.watch.disconnect();
  }

  /** Load the next page, if there is one. */
  more() {
    if (this.wanted && !this.loading && !this.complete) this.#load(this.entries.length, PAGE);
  }

  /** Load again what is there: the index has changed. */
  renew() {
    if (this.wanted) this.#load(0, Math.min(LARGEST, Math.max(PAGE, this.entries.length)));
  }

  async #load(offset, limit) {
    this.loading?.abort();
    const { signal } = (this.loading = new AbortController());
    const path = `/v1/entries?${this.wanted}&limit=${limit}&offset=${offset}`;
    try {
      const tell = (error) => signal.aborted || this.on.trouble(error);
      const { entries } = await askPatiently(path, { signal, tell });
      if (signal.aborted) return;
      const known = new Set(offset ? this.entries.map((entry) => entry.id) : []);
      const fresh = entries.filter((entry) => !known.has(entry.id));
      this.entries = offset ? [...this.entries, ...fresh] : entries;
      this.complete = entries.length < limit;
      this.loading = null;
      this.on.entries();
      this.#watch();
    } catch (error) {
      if (signal.aborted) return;
      this.loading = null;
      this.complete = true; // do not ask again and again
      this.on.refused(error);
    }
  }

  /** Watch the end of the list anew: an observer reports changes only, and it may be in sight. */
  #watch() {
    this.watch.disconnect();
    if (this.entries.length && !this.complete) this.watch.observe(this.end);
  }
}
