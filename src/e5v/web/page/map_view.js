// What of the map is seen: its enlargement, and the part of it.
//
// point in [0, 1] x [0, 1] <-> pixels of the canvas

const EDGE = 28; // pixels around the points
const LARGEST = 24; // times

export class MapView {
  constructor(canvas) {
    this.canvas = canvas;
    this.reset();
  }

  /** Show everything. */
  reset() {
    this.scale = 1;
    this.x = 0; // pixels to the left of the canvas
    this.y = 0;
  }

  get wide() {
    return this.canvas.clientWidth - 2 * EDGE;
  }

  get high() {
    return this.canvas.clientHeight - 2 * EDGE;
  }

  /** Return where a point is. */
  place({ x, y }) {
    return {
      x: EDGE + (x * this.scale - this.x) * this.wide,
      y: EDGE + ((1 - y) * this.scale - this.y) * this.high,
    };
  }

  /** Return whether a place is in sight. */
  sees({ x, y }, margin = 0) {
    const { clientWidth, clientHeight } = this.canvas;
    return x > -margin && y > -margin && x < clientWidth + margin && y < clientHeight + margin;
  }

  /** Enlarge by a factor about a place, by default the middle. */
  zoom(factor, { x, y } = { x: this.canvas.clientWidth / 2, y: this.canvas.clientHeight / 2 }) {
    const scale = Math.min(LARGEST, Math.max(1, this.scale * factor));
    const [across, down] = [(x - EDGE) / this.wide, (y - EDGE) / this.high];
    this.x = ((this.x + across) * scale) / this.scale - across;
    this.y = ((this.y + down) * scale) / this.scale - down;
    this.scale = scale;
    this.#stay();
  }

  /** Move by pixels. */
  move(x, y) {
    this.x -= x / this.wide;
    this.y -= y / this.high;
    this.#stay();
  }

  /** Bring a point into sight. */
  reveal(point) {
    const place = this.place(point);
    if (this.sees(place, -EDGE / 2)) return;
    this.move(this.canvas.clientWidth / 2 - place.x, this.canvas.clientHeight / 2 - place.y);
  }

  #stay() {
    this.x = Math.min(this.scale - 1, Math.max(0, this.x));
    this.y = Math.min(this.scale - 1, Math.max(0, this.y));
  }
}
