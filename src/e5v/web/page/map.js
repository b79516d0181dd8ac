// The map of the collection: a point for each entry, similar ones near each other.
//
// points in [0, 1] x [0, 1] -> canvas; the one under the mouse, finger or keys is looked at

import { askPatiently } from "/api.js";
import { caption } from "/entry.js";
import { plainText } from "/plain.js";

const EDGE = 28; // pixels around the points
const REACH = 22; // pixels from a point at which it is meant
const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

export class CollectionMap {
  /** `opens(id)` is called for the point that is chosen. */
  constructor(section, { opens }) {
    this.section = section;
    this.canvas = section.querySelector("canvas");
    this.look = section.querySelector(".look");
    this.heard = section.querySelector(".heard");
    this.opens = opens;
    this.points = [];
    this.loaded = false;
    this.found = new Set();
    this.at = null;
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

  #listen() {
    const { canvas } = this;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    canvas.addEventListener("pointermove", (event) => this.#visit(this.#under(event)));
    canvas.addEventListener("pointerleave", () => this.#visit(null));
    canvas.addEventListener("click", (event) => this.#click(event));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("focus", () => {
      if (!this.at && canvas.matches(":focus-visible")) this.#visit(this.points[0] ?? null);
    });
    canvas.addEventListener("blur", () => this.#visit(null));
  }

  /** A finger looks first and opens at the second touch; a mouse has looked already. */
  #click(event) {
    const point = this.#under(event);
    const seen = point && (event.pointerType !== "touch" || this.touched === point);
    this.touched = point;
    this.#visit(point);
    if (seen) this.opens(point.id);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && this.at) this.opens(this.at.id);
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    this.#visit(this.#beside(step) ?? this.at ?? this.points[0] ?? null);
  }

  /** Return the nearest point in a direction, by preference straight ahead. */
  #beside([right, down]) {
    if (!this.at) return this.points[0];
    let best;
    let least = Infinity;
    const from = this.#place(this.at);
    for (const point of this.points) {
      const to = this.#place(point);
      const ahead = (to.x - from.x) * right + (to.y - from.y) * down;
      const aside = Math.abs((to.x - from.x) * down) + Math.abs((to.y - from.y) * right);
      if (point === this.at || ahead <= 0.5 || ahead + 2 * aside >= least) continue;
      [best, least] = [point, ahead + 2 * aside];
    }
    return best;
  }

  #under(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    let least = REACH;
    for (const point of this.points) {
      const place = this.#place(point);
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
    const place = this.#place(point);
    const [wide, high] = [this.look.offsetWidth, this.look.offsetHeight];
    const right = place.x + 14 + wide < this.canvas.clientWidth;
    const x = right ? place.x + 14 : Math.max(4, place.x - 14 - wide);
    const y = Math.min(Math.max(4, place.y - high / 2), this.canvas.clientHeight - high - 4);
    this.look.style.translate = `${Math.round(x)}px ${Math.round(y)}px`;
  }

  #place(point) {
    return {
      x: EDGE + point.x * (this.canvas.clientWidth - 2 * EDGE),
      y: EDGE + (1 - point.y) * (this.canvas.clientHeight - 2 * EDGE),
    };
  }

  #draw() {
    const { canvas } = this;
    if (!canvas.clientWidth) return;
    const scale = window.devicePixelRatio;
    canvas.width = Math.round(canvas.clientWidth * scale);
    canvas.height = Math.round(canvas.clientHeight * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`);
    const dot = this.points.length > 400 ? 3.5 : 5.5;
    const marked = this.found.size > 0;
    const later = this.points.filter((point) => point === this.at || this.found.has(point.id));
    const stands = new Set(later);
    for (const point of [...this.points.filter((point) => !stands.has(point)), ...later]) {
      const high = this.found.has(point.id);
      pen.globalAlpha = point === this.at || high ? 1 : marked ? 0.22 : 0.75;
      pen.fillStyle = colour(point.kind);
      const place = this.#place(point);
      shape(pen, point.kind, place, high || point === this.at ? dot + 1.5 : dot);
      pen.fill();
      if (point !== this.at) continue;
      pen.strokeStyle = colour("ink");
      pen.lineWidth = 2;
      shape(pen, point.kind, place, dot + 4.5);
      pen.stroke();
    }
  }
}

function shape(pen, kind, { x, y }, size) {
  pen.beginPath();
  if (kind === "text") pen.rect(x - size * 0.9, y - size * 0.9, size * 1.8, size * 1.8);
  else pen.arc(x, y, size, 0, 2 * Math.PI);
}
