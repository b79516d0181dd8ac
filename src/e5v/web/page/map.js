// The map of the collection: a point for each entry, similar ones near each other.
//
// points in [0, 1] x [0, 1] -> view -> canvas; the one under the mouse, finger or keys is looked at
// wheel, buttons -> enlarged; dragging -> moved, or a box that selects

import { askPatiently } from "/api.js";
import { caption } from "/entry.js";
import { Thumbnails, drawMap } from "/map_drawing.js";
import { MapLabels } from "/map_labels.js";
import { MapView } from "/map_view.js";
import { plainText } from "/plain.js";

const REACH = 22; // pixels from a point at which it is meant
const DRAGGED = 5; // pixels; less is a click
const STEP = 1.6; // times, for a button or key
const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

export class CollectionMap {
  /**
   * `opens(id)` is called for the point that is chosen, `picks(points)` for those in a box,
   * `toggles(point)` for the one under the space bar, `searches(word)` for a label.
   */
  constructor(section, { opens, picks, toggles, searches }) {
    this.section = section;
    this.canvas = section.querySelector("canvas");
    this.look = section.querySelector(".look");
    this.heard = section.querySelector(".heard");
    this.opens = opens;
    this.picks = picks;
    this.toggles = toggles;
    this.view = new MapView(this.canvas);
    this.thumbnails = new Thumbnails(() => this.#draw());
    this.labels = new MapLabels(section.querySelector(".labels"), searches);
    this.points = [];
    this.loaded = false;
    this.found = new Set();
    this.selected = new Map();
    this.at = null;
    this.drag = null; // {from, to, box}
    this.boxing = false; // the next drag draws a box
    this.#listen();
  }

  /** Load and draw the points, unless that was done since the index changed last. */
  async load({ trouble, refused }) {
    if (this.loaded) return;
    this.loaded = true;
    try {
      this.points = (await askPatiently("/v1/map", { tell: trouble })).points;
      this.at = null;
      this.#draw();
      await this.labels.load();
      this.#draw();
    } catch (error) {
      this.loaded = false;
      refused(error);
    }
  }

  /** Load the points anew when the map is shown next: the index has changed. */
  outdate() {
    this.loaded = false;
  }

  /** Make the entries that a search found stand out; if there are none, all look the same. */
  mark(ids) {
    this.found = new Set(ids);
    this.#draw();
  }

  /** Show which entries are selected, by id. */
  select(selected) {
    this.selected = selected;
    this.#draw();
  }

  #listen() {
    const { canvas, section } = this;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    const on = (name, act, options) => canvas.addEventListener(name, act, options);
    on("pointerdown", (event) => this.#press(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#release(event));
    on("pointercancel", () => this.#drop());
    on("pointerleave", () => this.#visit(null));
    on("click", (event) => this.#click(event));
    on("keydown", (event) => this.#key(event));
    on("wheel", (event) => this.#wheel(event), { passive: false });
    on("focus", () => {
      if (!this.at && canvas.matches(":focus-visible")) this.#visit(this.points[0] ?? null);
    });
    on("blur", () => this.#visit(null));
    const when = (name, act) => section.querySelector(name).addEventListener("click", act);
    when(".closer", () => this.#zoom(STEP));
    when(".farther", () => this.#zoom(1 / STEP));
    when(".whole", () => this.#zoom(0));
    when(".box", () => this.#box(!this.boxing));
  }

  #zoom(factor, place) {
    if (factor) this.view.zoom(factor, place);
    else this.view.reset();
    this.canvas.classList.toggle("enlarged", this.view.scale > 1);
    this.#visit(null);
    this.#draw();
  }

  #box(boxing) {
    this.boxing = boxing;
    this.section.querySelector(".box").setAttribute("aria-pressed", boxing);
    this.canvas.classList.toggle("boxing", boxing);
  }

  /** The wheel scrolls the page, unless the map is enlarged or Ctrl is held (a pinch). */
  #wheel(event) {
    if (!event.ctrlKey && this.view.scale === 1) return;
    event.preventDefault();
    this.#zoom(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), this.#where(event));
  }

  #press(event) {
    if (event.button) return;
    const box = this.boxing || event.shiftKey;
    if (!box && this.view.scale === 1) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.drag = { from: this.#where(event), to: this.#where(event), box };
  }

  #move(event) {
    if (!this.drag) {
      this.#visit(this.#under(event));
      return;
    }
    const to = this.#where(event);
    if (!this.drag.box) this.view.move(to.x - this.drag.to.x, to.y - this.drag.to.y);
    this.drag.to = to;
    this.#visit(null);
    this.#draw();
  }

  #release(event) {
    if (!this.drag) return;
    const { from, to, box } = this.drag;
    this.#drop();
    this.dragged = Math.hypot(to.x - from.x, to.y - from.y) > DRAGGED || (box && event.shiftKey);
    if (!this.dragged || !box) return;
    this.#box(false);
    const within = (low, at, high) => Math.min(low, high) <= at && at <= Math.max(low, high);
    this.picks(this.points.filter((point) => {
      const place = this.view.place(point);
      return within(from.x, place.x, to.x) && within(from.y, place.y, to.y);
    }));
  }

  #drop() {
    this.drag = null;
    this.#draw();
  }

  /** A finger looks first and opens at the second touch; a mouse has looked already. */
  #click(event) {
    if (this.dragged) {
      this.dragged = false;
      return;
    }
    const point = this.#under(event);
    const seen = point && (event.pointerType !== "touch" || this.touched === point);
    this.touched = point;
    this.#visit(point);
    if (seen) this.opens(point.id);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && this.at) this.opens(this.at.id);
    const factor = { "+": STEP, "=": STEP, "-": 1 / STEP, 0: 0 }[event.key];
    const step = STEPS[event.key];
    if (factor === undefined && !step && event.key !== " ") return;
    event.preventDefault();
    const { at } = this;
    if (factor !== undefined) this.#zoom(factor, at ? this.view.place(at) : undefined);
    if (event.key === " " && at) this.toggles(at);
    const next = step ? this.#beside(step) ?? at ?? this.points[0] ?? null : at;
    if (next) this.view.reveal(next);
    this.#visit(next);
  }

  /** Return the nearest point in a direction, by preference straight ahead. */
  #beside([right, down]) {
    if (!this.at) return this.points[0];
    let best;
    let least = Infinity;
    const from = this.view.place(this.at);
    for (const point of this.points) {
      const to = this.view.place(point);
      const ahead = (to.x - from.x) * right + (to.y - from.y) * down;
      const aside = Math.abs((to.x - from.x) * down) + Math.abs((to.y - from.y) * right);
      if (point === this.at || ahead <= 0.5 || ahead + 2 * aside >= least) continue;
      [best, least] = [point, ahead + 2 * aside];
    }
    return best;
  }

  #where(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #under(event) {
    const { x, y } = this.#where(event);
    let best = null;
    let least = REACH;
    for (const point of this.points) {
      const place = this.view.place(point);
      const away = Math.hypot(place.x - x, place.y - y);
      if (away < least) [best, least] = [point, away];
    }
    return best;
  }

  #visit(point) {
    if (point === this.at) return;
    this.at = point;
    this.canvas.classList.toggle("at", Boolean(point));
    this.look.hidden = !point;
    if (point) this.#tell(point);
    this.#draw();
  }

  #tell(point) {
    const image = this.look.querySelector("img");
    const said = caption(point);
    image.hidden = !point.thumbnail;
    if (point.thumbnail) image.src = point.thumbnail;
    image.alt = said;
    const text = plainText(point);
    this.look.querySelector("p").textContent = text;
    this.look.querySelector("p").hidden = !text;
    this.heard.textContent = `${point.kind}: ${said}`;
    const place = this.view.place(point);
    const [wide, high] = [this.look.offsetWidth, this.look.offsetHeight];
    const right = place.x + 14 + wide < this.canvas.clientWidth;
    const x = right ? place.x + 14 : Math.max(4, place.x - 14 - wide);
    const y = Math.min(Math.max(4, place.y - high / 2), this.canvas.clientHeight - high - 4);
    this.look.style.translate = `${Math.round(x)}px ${Math.round(y)}px`;
  }

  #draw() {
    if (!this.canvas.clientWidth) return;
    const box = this.drag?.box ? this.drag : null;
    const { found, selected, at } = this;
    drawMap(this.canvas, this.view, this.thumbnails, this.points, { found, selected, at, box });
    this.labels.show(this.view);
  }
}
