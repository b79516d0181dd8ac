// A search: only the last one that was sent is answered.
//
// body -> a short wait, in which a newer one takes its place -> server -> answer | refusal

import { askPatiently } from "/api.js";
import { condition } from "/filters.js";

const WAIT = 160; // milliseconds after a key, in which the next one may come

export class Search {
  /** `on` has working(bool), trouble(refusal or null), answer(body, answer), refused(refusal). */
  constructor(on) {
    this.on = on;
    this.current = new AbortController();
    this.troubled = false;
  }

  /** Search, and drop the search before it. */
  async ask(body, { typing = false } = {}) {
    this.current.abort();
    const { signal } = (this.current = new AbortController());
    try {
      if (typing) await after(WAIT, signal);
      this.on.working(true);
      const tell = (trouble) => signal.aborted || this.#tell(trouble);
      const answer = await askPatiently("/v1/search", { body, signal, tell });
      if (signal.aborted) return;
      this.on.working(false);
      this.on.answer(body, answer);
    } catch (error) {
      if (signal.aborted) return;
      this.on.working(false);
      this.on.refused(error);
    }
  }

  /** Search for nothing. */
  stop() {
    this.current.abort();
    this.on.working(false);
    if (this.troubled) this.#tell(null);
  }

  #tell(trouble) {
    this.troubled = Boolean(trouble);
    this.on.trouble(trouble);
  }
}

/** Return the body of a search, with the example image, if any; null without a query. */
export function requestBody(state, image) {
  const body = { text: state.text.trim(), like: state.like, image, without: state.without.trim() };
  if (!body.text && !body.like && !image) return null;
  const where = condition(state);
  return Object.fromEntries(Object.entries({ ...body, where }).filter(([, value]) => value));
}

function after(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
