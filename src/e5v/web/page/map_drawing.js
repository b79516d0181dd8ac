// How the map looks: dots, or thumbnails where it is enlarged; what was found and selected.

const ENLARGED = 2.5; // times, from which images are seen
const MOST = 160; // of them at once
const SIDE = { least: 40, most: 128 }; // pixels of a thumbnail

/** The thumbnails of points, loaded when they are first drawn; `loaded()` is called for each. */
export class Thumbnails {
  constructor(loaded) {
    this.loaded = loaded;
    this.images = new Map();
  }

  /** Return the image of a point once it is loaded. */
  of(point) {
    if (!point.thumbnail) return null;
    let image = this.images.get(point.id);
    if (!image) {
      image = new Image();
      image.addEventListener("load", this.loaded);
      image.src = point.thumbnail;
      this.images.set(point.id, image);
    }
    return image.complete && image.naturalWidth ? image : null;
  }
}

/** Draw the points. `shown` has found and selected ids, the point looked at, and the drawn box. */
export function drawMap(canvas, view, thumbnails, points, shown) {
  const scale = window.devicePixelRatio;
  canvas.width = Math.round(canvas.clientWidth * scale);
  canvas.height = Math.round(canvas.clientHeight * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const look = {
    colour: (name) => style.getPropertyValue(`--${name}`),
    dot: (points.length > 400 ? 3.5 : 5.5) * Math.min(1.6, view.scale ** 0.3),
    side: sideOf(view, points),
    marked: shown.found.size > 0,
    room: MOST,
  };
  const first = (point) => point === shown.at || shown.found.has(point.id);
  for (const point of [...points.filter((one) => !first(one)), ...points.filter(first)]) {
    const place = view.place(point);
    if (view.sees(place, look.side)) drawPoint(pen, point, place, { look, shown, thumbnails });
  }
  if (shown.box) drawBox(pen, shown.box, look.colour("image"));
}

/** Return the pixels of a thumbnail; 0 where points are dots. */
function sideOf(view, points) {
  if (view.scale < ENLARGED && points.length > 60) return 0;
  if (view.scale < 1.4) return 0;
  return Math.min(SIDE.most, SIDE.least + 8 * view.scale);
}

function drawPoint(pen, point, place, { look, shown, thumbnails }) {
  const high = shown.found.has(point.id);
  const at = point === shown.at;
  const image = look.side && look.room > 0 ? thumbnails.of(point) : null;
  pen.globalAlpha = at || high ? 1 : look.marked ? 0.22 : image ? 1 : 0.75;
  const size = image ? look.side / 2 : high || at ? look.dot + 1.5 : look.dot;
  if (image) {
    look.room -= 1;
    drawImage(pen, image, place, look.side);
  } else {
    pen.fillStyle = look.colour(point.kind);
    shape(pen, point.kind, place, size);
    pen.fill();
  }
  const selected = shown.selected.has(point.id);
  if (!at && !selected) return;
  pen.globalAlpha = 1;
  pen.strokeStyle = look.colour(at ? "ink" : "image");
  pen.lineWidth = selected ? 3 : 2;
  shape(pen, image ? "text" : point.kind, place, size + (image ? 2 : 3));
  pen.stroke();
}

function drawImage(pen, image, { x, y }, side) {
  const scale = side / Math.max(image.naturalWidth, image.naturalHeight);
  const [wide, high] = [image.naturalWidth * scale, image.naturalHeight * scale];
  pen.drawImage(image, x - wide / 2, y - high / 2, wide, high);
}

function drawBox(pen, { from, to }, colour) {
  pen.globalAlpha = 1;
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.strokeRect(from.x, from.y, to.x - from.x, to.y - from.y);
  pen.globalAlpha = 0.12;
  pen.fillStyle = colour;
  pen.fillRect(from.x, from.y, to.x - from.x, to.y - from.y);
}

function shape(pen, kind, { x, y }, size) {
  pen.beginPath();
  if (kind === "text") pen.rect(x - size * 0.9, y - size * 0.9, size * 1.8, size * 1.8);
  else pen.arc(x, y, size, 0, 2 * Math.PI);
}
