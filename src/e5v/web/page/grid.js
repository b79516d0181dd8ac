// Results or entries as a justified grid that keys move through.
//
// hits or entries -> tiles, those already there kept -> rows of one height

import { caption, fileName, ratio } from "/entry.js";

const NARROWEST = 0.55; // width to height; beyond these a tile shows the middle of its image
const WIDEST = 3.2;

export class Grid {
  /**
   * `opens(id)` is called for the tile that is chosen, `picks(id)` for the one that the space bar
   * selects, `leaves()` above the first row.
   */
  constructor(list, { href, opens, picks, leaves }) {
    this.list = list;
    this.href = href;
    this.opens = opens;
    this.picks = picks;
    this.leaves = leaves;
    this.tiles = new Map();
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("click", (event) => this.#click(event));
    list.addEventListener("focusin", (event) => this.#only(event.target.closest(".tile")));
  }

  /** Show hits, or entries without a score, in their order. */
  show(hits) {
    const before = this.tiles;
    const held = document.activeElement?.closest?.(".grid li")?.dataset.id;
    this.tiles = new Map();
    for (const hit of hits) {
      const tile = before.get(hit.id) ?? draw(hit);
      tile.querySelector(".score").textContent = hit.score?.toFixed(2) ?? "";
      tile.dataset.match = hit.match ?? "";
      tile.firstChild.href = this.href(hit.id);
      this.tiles.set(hit.id, tile);
    }
    const more = this.#added();
    if (more) this.list.append(...more);
    else this.list.replaceChildren(...this.tiles.values());
    const first = this.tiles.get(held) ?? this.list.firstChild;
    this.#only(first?.firstChild);
    if (!more && held && this.tiles.has(held)) first.firstChild.focus();
  }

  /** Show which entries are selected; null: nothing can be selected now. */
  mark(selected) {
    for (const [id, { firstChild: link }] of this.tiles) {
      if (!selected) {
        link.removeAttribute("role");
        link.removeAttribute("aria-checked");
        continue;
      }
      link.setAttribute("role", "checkbox");
      link.setAttribute("aria-checked", selected.has(id));
    }
  }

  /** Return the tiles that follow those in the list already; null if those are others. */
  #added() {
    const tiles = [...this.tiles.values()];
    const there = [...this.list.children];
    return there.every((tile, place) => tile === tiles[place]) ? tiles.slice(there.length) : null;
  }

  /** Put the focus on an entry, or on the first; return whether there is one. */
  focus(id) {
    const tile = this.tiles.get(id) ?? this.list.firstChild;
    tile?.firstChild.focus();
    return Boolean(tile);
  }

  #only(link) {
    for (const tile of this.list.children) tile.firstChild.tabIndex = tile.firstChild === link ? 0 : -1;
  }

  #click(event) {
    const link = event.target.closest(".tile");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.opens(link.parentElement.dataset.id);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const tile = event.target.closest("li");
    if (event.key === " ") {
      event.preventDefault();
      this.picks(tile.dataset.id);
      return;
    }
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const tiles = [...this.list.children];
    let next;
    if (step) next = tiles[tiles.indexOf(tile) + step];
    else if (event.key === "ArrowDown") next = nearestRow(tile, tiles, 1);
    else if (event.key === "ArrowUp") next = nearestRow(tile, tiles, -1);
    else if (event.key === "Home") next = tiles[0];
    else if (event.key === "End") next = tiles.at(-1);
    else return;
    event.preventDefault();
    if (next) next.firstChild.focus();
    else if (event.key === "ArrowUp") this.leaves();
  }
}

/** Return the tile of the next row, up or down, that stands most nearly in line. */
function nearestRow(tile, tiles, direction) {
  const from = tile.getBoundingClientRect();
  const middle = from.left + from.width / 2;
  let best;
  let least = Infinity;
  for (const other of tiles) {
    const to = other.getBoundingClientRect();
    const down = (to.top - from.top) * direction;
    if (down < 4) continue;
    const off = down * 1000 + Math.abs(to.left + to.width / 2 - middle);
    if (off < least) [best, least] = [other, off];
  }
  return best;
}

function draw(hit) {
  const tile = document.createElement("li");
  tile.dataset.id = hit.id;
  tile.style.setProperty("--ratio", Math.min(WIDEST, Math.max(NARROWEST, ratio(hit))).toFixed(4));
  const link = document.createElement("a");
  link.className = "tile";
  link.draggable = false;
  const shown = document.createElement("span");
  shown.className = "shown";
  shown.append(hit.thumbnail ? image(hit) : span("excerpt", caption(hit)));
  const says = document.createElement("span");
  says.className = "says";
  const name = span("caption", hit.kind === "text" ? fileName(hit.path) : caption(hit));
  if (hit.kind === "image" && !caption(hit) === fileName(hit.path ?? "")) name.classList.add("file");
  name.ariaHidden = String(hit.kind !== "text"); // the image says it already
  says.append(name, span("score", ""));
  link.append(shown, says);
  link.title = hit.kind === "text" ? "" : caption(hit);
  tile.append(link);
  return tile;
}

function image(hit) {
  const image = document.createElement("img");
  image.alt = caption(hit);
  image.width = hit.width || 256;
  image.height = hit.height || 256;
  image.draggable = false;
  image.decoding = "async";
  image.loading = "lazy";
  image.src = hit.thumbnail;
  return image;
}

function span(name, text) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  return span;
}
