// What is indexed: how much, and by which model.
//
// /v1/index -> counts, model, notice, command; requested again now and then, as the index may grow

import { askPatiently } from "/api.js";

const LOOK_AGAIN = 10_000; // milliseconds
const LOOK_SOON = 3_000; // while there is nothing
const SEEN = "e5v-notice";

export class Collection {
  /** `on` has changed(index), trouble(refusal or null), refused(refusal). */
  constructor(on) {
    this.on = on;
    this.index = null;
    document.addEventListener("visibilitychange", () => this.waiting && this.#again());
  }

  async look() {
    clearTimeout(this.timer);
    this.waiting = false;
    try {
      const index = await askPatiently("/v1/index", { tell: this.on.trouble });
      const other = JSON.stringify(index) !== JSON.stringify(this.index);
      this.index = index;
      if (other) this.on.changed(index);
      this.timer = setTimeout(() => this.#again(), index.items ? LOOK_AGAIN : LOOK_SOON);
    } catch (error) {
      this.on.refused(error);
    }
  }

  /** Look again; once the page is visible, if it is not now. */
  #again() {
    this.waiting = document.hidden;
    if (!this.waiting) this.look();
  }
}

/** Show the model and what to know of it, and where nothing is indexed yet, how to do that. */
export function showCollection(index) {
  const part = (name) => document.querySelector(name);
  part(".empty").hidden = index.items > 0;
  part(".command code").textContent = index.command ?? "e5v index FOLDER";
  part(".model").textContent = `Model: ${index.model}`;
  showNotice(part(".notice"), index.notice);
}

/** Show what a visitor should know about the model, until it is dismissed. */
function showNotice(element, notice) {
  element.hidden = !notice || remembered() === notice;
  element.querySelector("p").textContent = notice ?? "";
  element.querySelector("button").onclick = () => {
    element.hidden = true;
    remember(notice);
  };
}

function remembered() {
  try {
    return localStorage.getItem(SEEN);
  } catch {
    return null; // a browser may keep nothing
  }
}

function remember(notice) {
  try {
    localStorage.setItem(SEEN, notice);
  } catch {
    // it is shown again next time
  }
}
