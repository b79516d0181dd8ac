// The search box: words, an example image, and words for what to leave out.

import { caption } from "/entry.js";
import { imageIn, picture } from "/picture.js";

export class SearchBox {
  /** `on` has typed(change), settled(), given(file), freed(), down(). */
  constructor(form, on) {
    this.form = form;
    this.on = on;
    this.words = form.querySelector("#words");
    this.without = form.querySelector("#without");
    this.unwanted = form.querySelector(".unwanted");
    this.not = form.querySelector(".not");
    this.loaded = ""; // the source of the example image that is loaded
    this.#listen();
  }

  /** Show the query of the state, and its example: {name, source} or nothing. */
  show(state, example) {
    if (this.words.value !== state.text) this.words.value = state.text;
    if (this.without.value !== state.without) this.without.value = state.without;
    if (state.without) this.#tuck(false);
    const chip = this.form.querySelector(".example");
    chip.hidden = !example;
    this.words.placeholder = example ? "Like this, but …" : "Words or an image";
    if (!example) return;
    const image = chip.querySelector("img");
    if (example.source && image.getAttribute("src") !== example.source) image.src = example.source;
    this.#blank(!example.source || example.source !== this.loaded);
    image.alt = `Example: ${example.name}`;
    chip.querySelector(".blank").ariaLabel = image.alt;
    chip.querySelector(".example-name").textContent = example.name;
  }

  /** Show the example of the current state, once it is known; `entries` has those of the index. */
  async showExample(current, entries) {
    const { like, picture: key } = current();
    const own = picture(key);
    const named = own ? { name: own.name, source: own.image } : like && { name: "…" };
    this.show(current(), named);
    const entry = like && !own && (await entries.find(like));
    if (!entry || current().like !== like) return;
    this.show(current(), { name: caption(entry), source: entry.thumbnail });
  }

  working(busy) {
    this.form.querySelector(".working").hidden = !busy;
    this.form.setAttribute("aria-busy", busy);
  }

  focus() {
    this.words.focus();
    this.words.select();
  }

  /** Show a blank tile until the example is loaded: a browser cannot show HEIC, for one. */
  #blank(blank) {
    this.form.querySelector(".example img").hidden = blank;
    this.form.querySelector(".example .blank").hidden = !blank;
  }

  #tuck(away) {
    this.unwanted.hidden = away;
    this.not.setAttribute("aria-expanded", !away);
  }

  #listen() {
    const { form, words, without, on } = this;
    words.addEventListener("input", () => on.typed({ text: words.value }));
    without.addEventListener("input", () => on.typed({ without: without.value }));
    for (const input of [words, without]) input.addEventListener("change", () => on.settled());
    words.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" && on.down()) event.preventDefault();
      const free = event.key === "Backspace" && !words.value && !event.repeat;
      if (free && !form.querySelector(".example").hidden) on.freed();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      on.settled();
    });
    this.not.addEventListener("click", () => {
      const away = !this.unwanted.hidden;
      this.#tuck(away);
      if (away && without.value) on.typed({ without: "" });
      (away ? words : without).focus();
    });
    form.querySelector(".example button").addEventListener("click", () => {
      on.freed();
      words.focus();
    });
    form.querySelector(".example img").addEventListener("load", ({ target }) => {
      this.loaded = target.getAttribute("src");
      this.#blank(false);
    });
    const file = form.querySelector(".file");
    form.querySelector(".choose").addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      if (file.files[0]) on.given(file.files[0]);
      file.value = "";
    });
  }
}

/** Take images that are dropped on the page or pasted into it; `refused(error)` for a folder. */
export function takeImages(over, { given, refused }) {
  let depth = 0;
  const brings = (event) => event.dataTransfer.types.includes("Files");
  const show = (change) => {
    depth = Math.max(0, depth + change);
    over.hidden = !depth;
  };
  const take = (event, transfer) => {
    try {
      const file = imageIn(transfer);
      if (!file) return;
      event.preventDefault();
      given(file);
    } catch (error) {
      refused(error);
    }
  };
  document.addEventListener("dragenter", (event) => brings(event) && show(1));
  document.addEventListener("dragleave", (event) => brings(event) && show(-1));
  document.addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    show(-depth);
    take(event, event.dataTransfer);
  });
  document.addEventListener("paste", (event) => take(event, event.clipboardData));
}
