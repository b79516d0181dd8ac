// A search: the last one asked is the one that is answered.
//
// body -> a short wait, in which a newer one takes its place -> server -> answer | refusal

import { askPatiently } from "/server.js";

const WAIT = 160; // milliseconds after a key, in which the next one may come

export class Search {
  /** `hears` has working(bool), trouble(refusal or null), answer(body, answer), refused(refusal). */
  constructor(hears) {
    this.hears = hears;
    this.current = new AbortController();
  }

  /** Ask, and forget what was asked before. */
  async ask(body, { typing = false } = {}) {
    this.current.abort();
    const { signal } = (this.current = new AbortController());
    try {
      if (typing) await after(WAIT, signal);
      this.hears.working(true);
      const tell = (trouble) => signal.aborted || this.hears.trouble(trouble);
      const answer = await askPatiently("/v1/search", { body, signal, tell });
      if (signal.aborted) return;
      this.hears.working(false);
      this.hears.answer(body, answer);
    } catch (error) {
      if (signal.aborted) return;
      this.hears.working(false);
      this.hears.refused(error);
    }
  }

  /** Ask nothing. */
  stop() {
    this.current.abort();
    this.hears.working(false);
    this.hears.trouble(null);
  }
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
