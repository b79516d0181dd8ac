// The labels of the map: a word for each group of points, which can be searched for.
//
// /v1/labels -> buttons over the canvas; of two that would overlap, the larger group's is shown

import { ask } from "/api.js";

export class MapLabels {
  /** `chosen(word)` is called for the label that is clicked. */
  constructor(list, chosen) {
    this.list = list;
    this.chosen = chosen;
    this.labels = [];
  }

  /** Find the labels of the index as it is now; the map needs none. */
  async load() {
    const { labels } = await ask("/v1/labels").catch(() => ({ labels: [] }));
    this.labels = labels;
    this.list.replaceChildren(...labels.map((label) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label.word;
      button.setAttribute("aria-label", `Search for ${label.word}`);
      button.addEventListener("click", () => this.chosen(label.word));
      item.append(button);
      return item;
    }));
  }

  /** Put them where their points are. */
  show(view) {
    const taken = [];
    for (const [number, item] of [...this.list.children].entries()) {
      const { x, y } = view.place(this.labels[number]);
      const [wide, high] = [item.offsetWidth || 80, item.offsetHeight || 24];
      const box = { left: x - wide / 2, top: y - high / 2, right: x + wide / 2, bottom: y + high / 2 };
      const inside = box.left > 0 && box.top > 0
        && box.right < view.canvas.clientWidth && box.bottom < view.canvas.clientHeight;
      const free = inside && !taken.some((other) => overlap(box, other));
      item.style.visibility = free ? "visible" : "hidden";
      item.style.translate = `${Math.round(box.left)}px ${Math.round(box.top)}px`;
      if (free) taken.push(box);
    }
  }
}

function overlap(one, other) {
  return one.left < other.right && other.left < one.right
    && one.top < other.bottom && other.top < one.bottom;
}
