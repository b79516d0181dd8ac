// Selected entries, and lists of them: as CSV or text, or on the clipboard.
//
// tiles and map -> entries by id -> bar with their number -> file that the browser saves

import { copiesOnClick } from "/copying.js";

const COLUMNS = ["path", "kind", "part", "date", "score", "match", "width", "height", "text"];
const FORMULA = /^[=+\-@\t\r]/; // a table program would compute it

export class Selection {
  /** `changed()` is called when something was selected, or selecting begins or ends. */
  constructor(bar, button, { shown, changed }) {
    this.bar = bar;
    this.button = button;
    this.changed = changed;
    this.on = false;
    this.entries = new Map();
    const when = (name, act) => bar.querySelector(name).addEventListener("click", act);
    button.addEventListener("click", () => this.turn(!this.on));
    when(".every", () => this.add(shown()));
    when(".none", () => this.turn(false));
    when(".csv", () => save("e5v.csv", "text/csv", writeCsv(this.entries.values())));
    when(".txt", () => save("e5v.txt", "text/plain", writePaths(this.entries.values())));
    copiesOnClick(bar.querySelector(".copy"), () => writePaths(this.entries.values()));
  }

  /** Begin or end selecting; at the end nothing is selected. */
  turn(on) {
    this.on = on;
    if (!on) this.entries.clear();
    this.#show();
  }

  /** Select an entry, or no longer. */
  toggle(entry) {
    if (!this.entries.delete(entry.id)) this.entries.set(entry.id, entry);
    this.on = true;
    this.#show();
  }

  /** Select more entries. */
  add(entries) {
    for (const entry of entries) this.entries.set(entry.id, entry);
    this.on = true;
    this.#show();
  }

  #show() {
    const count = this.entries.size;
    this.bar.hidden = !this.on;
    this.button.setAttribute("aria-pressed", this.on);
    this.bar.querySelector(".count").textContent = `${count.toLocaleString("en")} selected`;
    for (const button of this.bar.querySelectorAll(".takes")) button.disabled = !count;
    document.body.classList.toggle("selecting", this.on);
    this.changed();
  }
}

/** Return entries as CSV (RFC 4180), with a first line of names. */
export function writeCsv(entries) {
  const rows = [...entries].map((entry) => COLUMNS.map((name) => cell(entry[name])));
  return [COLUMNS, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

/** Return the paths of entries, a line each; a file of several entries once. */
export function writePaths(entries) {
  return [...new Set([...entries].map(({ path }) => path))].map((path) => `${path}\n`).join("");
}

function cell(value) {
  if (typeof value === "number") return String(value);
  const text = String(value ?? "");
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function save(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: `${type};charset=utf-8` }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
