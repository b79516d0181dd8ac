// One entry, large, in a dialog.
//
// entry -> its thumbnail at once -> its file once it is loaded -> facts beside it

import { copiesOnClick } from "/copying.js";
import { caption, day, fileName, ratio } from "/entry.js";
import { plainText } from "/plain.js";

const ENLARGED = 2; // times, at most; a small image stays small

export class Viewer {
  /** `does` has shut(), step(by), like(entry), but(entry), folder(path). */
  constructor(dialog, does) {
    this.dialog = dialog;
    this.does = does;
    this.entry = null;
    const when = (name, act) => this.#part(name).addEventListener("click", act);
    when(".shut", () => does.shut());
    when(".before", () => does.step(-1));
    when(".after", () => does.step(1));
    when(".like", () => does.like(this.entry));
    when(".but", () => does.but(this.entry));
    when(".near", () => does.folder(this.entry.path.replace(/[\\/][^\\/]*$/, "")));
    copiesOnClick(this.#part(".path"), () => this.entry.path);
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      does.shut();
    });
    dialog.addEventListener("click", (event) => event.target === dialog && does.shut());
    dialog.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Show an entry: the `place`th of `count` (from 1; 0: it is in no list), maybe the last. */
  show(entry, place, { count, last }) {
    const all = count.toLocaleString("en");
    this.#part(".place").textContent = place ? `${place.toLocaleString("en")} of ${all}` : "";
    this.#part(".before").disabled = place <= 1;
    this.#part(".after").disabled = !place || last;
    if (this.entry?.id !== entry.id) this.#draw(entry);
    this.entry = entry;
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.#part(".like").focus();
    }
  }

  hide() {
    this.entry = null;
    if (this.dialog.open) this.dialog.close();
    this.#part(".stage").replaceChildren();
  }

  #part(name) {
    return this.dialog.querySelector(name);
  }

  #draw(entry) {
    const text = entry.kind === "text";
    this.#part("h2").textContent = text ? fileName(entry.path) : caption(entry);
    this.#part("dl").replaceChildren(...facts(entry));
    this.#part(".stage").replaceChildren(...(text ? [passage(entry)] : images(entry)));
  }

  #key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.does.step(step);
  }
}

function passage(entry) {
  const passage = document.createElement("p");
  passage.tabIndex = 0; // so that keys scroll it
  passage.textContent = plainText(entry);
  return passage;
}

function images(entry) {
  const small = image(entry, entry.thumbnail);
  const large = image(entry, entry.item);
  small.alt = "";
  large.className = "loading";
  large.addEventListener("load", () => {
    large.className = "";
    small.remove();
  });
  large.addEventListener("error", () => {
    small.alt = large.alt;
    large.remove();
  });
  return entry.thumbnail ? [small, large] : [large];
}

function image(entry, source) {
  const image = document.createElement("img");
  image.style.setProperty("--ratio", ratio(entry).toFixed(4));
  image.style.setProperty("--wide", ENLARGED * (entry.width || 256));
  image.width = entry.width || 256;
  image.height = entry.height || 256;
  image.alt = caption(entry);
  image.src = source;
  return image;
}

function facts(entry) {
  const known = [
    ["Score", entry.score?.toFixed(3)],
    ["Match", entry.match],
    ["Date", day(entry)],
    ["Size", entry.width ? `${entry.width} × ${entry.height} pixels` : ""],
    ["Passage", entry.kind === "text" ? entry.part : ""],
    ["Taken", entry.taken?.replace("T", " ")],
    ["Camera", entry.camera],
    ["Place", entry.latitude == null ? "" : `${entry.latitude}, ${entry.longitude}`],
    ["File", link(entry)],
  ];
  return known.filter(([, value]) => value).flatMap(([name, value]) => {
    const term = document.createElement("dt");
    const given = document.createElement("dd");
    term.textContent = name;
    given.append(value);
    return [term, given];
  });
}

function link(entry) {
  const link = document.createElement("a");
  link.href = entry.file ?? entry.item; // a document or video opens at its place
  link.target = "_blank";
  link.rel = "noopener";
  link.textContent = entry.path;
  return link;
}
