// What is indexed: how much, by which model, and whether anything is.
//
// /v1/index -> counts, model, notice; asked again while it is empty

import { askPatiently } from "/server.js";

const LOOK_AGAIN = 3_000; // milliseconds, while there is nothing
const SEEN = "e5v-notice";

export class Collection {
  /** `hears` has changed(index), trouble(refusal or null), refused(refusal). */
  constructor(hears) {
    this.hears = hears;
    this.index = null;
  }

  async look() {
    clearTimeout(this.timer);
    try {
      const index = await askPatiently("/v1/index", { tell: this.hears.trouble });
      const other = index.items !== this.index?.items;
      this.index = index;
      if (other) this.hears.changed(index);
      if (!index.items) this.timer = setTimeout(() => this.#again(), LOOK_AGAIN);
    } catch (error) {
      this.hears.refused(error);
    }
  }

  /** Look at the page's leisure: not while nobody sees it. */
  #again() {
    if (!document.hidden) this.look();
    else document.addEventListener("visibilitychange", () => this.look(), { once: true });
  }
}

/** Say how much there is: "4 images, 12 texts". */
export function counted(kinds) {
  const told = Object.entries(kinds).filter(([, count]) => count);
  return told.map(([kind, count]) => many(count, kind)).join(", ");
}

/** Say a number of things. */
export function many(count, thing) {
  return `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
}

/** Show what a user must know of the model, until it was understood. */
export function showNotice(element, notice) {
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
