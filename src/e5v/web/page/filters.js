// Filters of what is shown: dates, a folder, and the order.
//
// state -> fields and their number | fields -> change of the state | state -> SQL condition

const DATE = "mtime"; // the column that says when: nanoseconds since 1970
const NANOSECONDS = "000000"; // after milliseconds
const DAY = 86_400_000;

/** Return the condition on entries that the state asks for; "" for none. */
export function condition({ kind, from, to, folder }) {
  const parts = [];
  if (kind) parts.push(`kind = '${quoted(kind)}'`);
  if (from) parts.push(...since(from, ">=", 0));
  if (to) parts.push(...since(to, "<", DAY)); // the whole day
  if (folder.trim()) parts.push(`path LIKE '%${quoted(folder.trim()).replace(/[\\%_]/g, "\\$&")}%'`);
  return parts.join(" AND ");
}

/** Return whether there are filters, apart from the kind. */
export function isFiltered(state) {
  return Boolean(state.from || state.to || state.folder.trim());
}

/** Return hits in the order that is asked for: as they are, or by date. */
export function sorted(hits, sort) {
  if (sort !== "newest" && sort !== "oldest") return hits;
  const way = sort === "newest" ? -1 : 1;
  return [...hits].sort((one, two) => way * String(one.date).localeCompare(String(two.date)));
}

function since(day, sign, later) {
  const start = new Date(`${day}T00:00:00`); // here, not in UTC
  if (Number.isNaN(start.getTime())) return [];
  return [`${DATE} ${sign} ${start.getTime() + later}${NANOSECONDS}`];
}

function quoted(value) {
  return value.replaceAll("'", "''");
}

export class Filters {
  /** `changed(change)` is called when a field has another value. */
  constructor(box, changed) {
    this.box = box;
    this.fields = Object.fromEntries(
      ["from", "to", "folder", "sort"].map((name) => [name, box.querySelector(`[name="${name}"]`)]),
    );
    this.folders = new Set();
    for (const [name, field] of Object.entries(this.fields)) {
      field.addEventListener("change", () => changed({ [name]: field.value }));
    }
    box.querySelector(".clear").addEventListener("click", () => {
      changed({ from: "", to: "", folder: "", sort: "" });
    });
    document.addEventListener("pointerdown", ({ target }) => {
      if (!box.contains(target)) box.open = false;
    });
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !box.open) return;
      box.open = false;
      box.querySelector("summary").focus();
    });
  }

  /** Show the filters of the state; a query has an order of its own. */
  show(state, isQuery) {
    for (const [name, field] of Object.entries(this.fields)) {
      if (field.value !== state[name]) field.value = state[name];
    }
    const first = this.fields.sort.querySelector("option");
    first.textContent = isQuery ? "Best match first" : "Newest first";
    this.fields.sort.querySelector('[value="newest"]').hidden = !isQuery;
    const count = ["from", "to", "folder", "sort"].filter((name) => state[name].trim()).length;
    this.box.querySelector("summary").textContent = count ? `Filters (${count})` : "Filters";
    this.box.querySelector(".clear").hidden = !count;
  }

  /** Offer the folders of entries that were seen. */
  suggest(entries) {
    const before = this.folders.size;
    for (const { path = "" } of entries) {
      const folder = path.replace(/[\\/][^\\/]*$/, "");
      if (folder && this.folders.size < 500) this.folders.add(folder);
    }
    if (this.folders.size === before) return;
    const options = [...this.folders].sort().map((folder) => new Option(folder, folder));
    this.box.querySelector("datalist").replaceChildren(...options);
  }
}
