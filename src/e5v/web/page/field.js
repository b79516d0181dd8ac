// Where it is said what to search for: words, an example, and what is not wanted.

import { imageIn } from "/picture.js";

export class Field {
  /** `hears` has typed(change), settled(), given(file), freed(), down(). */
  constructor(form, hears) {
    this.form = form;
    this.hears = hears;
    this.words = form.querySelector("#words");
    this.without = form.querySelector("#without");
    this.unwanted = form.querySelector(".unwanted");
    this.not = form.querySelector(".not");
    this.#listen();
  }

  /** Show what is asked, and its example: {name, source} or nothing. */
  show(asked, example) {
    if (this.words.value !== asked.text) this.words.value = asked.text;
    if (this.without.value !== asked.without) this.without.value = asked.without;
    if (asked.without) this.#tuck(false);
    const chip = this.form.querySelector(".example");
    chip.hidden = !example;
    this.words.placeholder = example ? "Like this, but …" : "Words or an image";
    if (!example) return;
    const image = chip.querySelector("img");
    image.hidden = !example.source;
    if (example.source && image.getAttribute("src") !== example.source) image.src = example.source;
    image.alt = `Example: ${example.name}`;
    chip.querySelector(".example-name").textContent = example.name;
  }

  working(busy) {
    this.form.querySelector(".working").hidden = !busy;
    this.form.setAttribute("aria-busy", busy);
  }

  focus() {
    this.words.focus();
    this.words.select();
  }

  #tuck(away) {
    this.unwanted.hidden = away;
    this.not.setAttribute("aria-expanded", !away);
  }

  #listen() {
    const { form, words, without, hears } = this;
    words.addEventListener("input", () => hears.typed({ text: words.value }));
    without.addEventListener("input", () => hears.typed({ without: without.value }));
    for (const input of [words, without]) input.addEventListener("change", () => hears.settled());
    words.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" && hears.down()) event.preventDefault();
      const free = event.key === "Backspace" && !words.value && !event.repeat;
      if (free && !form.querySelector(".example").hidden) hears.freed();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      hears.settled();
    });
    this.not.addEventListener("click", () => {
      const away = !this.unwanted.hidden;
      this.#tuck(away);
      if (away && without.value) hears.typed({ without: "" });
      (away ? words : without).focus();
    });
    form.querySelector(".example button").addEventListener("click", () => {
      hears.freed();
      words.focus();
    });
    const file = form.querySelector(".file");
    form.querySelector(".choose").addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      if (file.files[0]) hears.given(file.files[0]);
      file.value = "";
    });
  }
}

/** Take images that are dropped on the page or pasted into it. */
export function takeImages(over, given) {
  let depth = 0;
  const brings = (event) => event.dataTransfer.types.includes("Files");
  const show = (change) => {
    depth = Math.max(0, depth + change);
    over.hidden = !depth;
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
    const file = imageIn(event.dataTransfer);
    if (file) given(file);
  });
  document.addEventListener("paste", (event) => {
    const file = imageIn(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    given(file);
  });
}
