// The tabs: all results, photos, texts, or the map.
//
// state, how much there is of each kind -> which tabs there are, and which one is chosen

import { isQuery } from "/url.js";

export class Tabs {
  /** `chosen({kind, view})` is called for the tab that is clicked. */
  constructor(group, chosen) {
    this.group = group;
    group.addEventListener("click", ({ target }) => {
      if (!("value" in target)) return;
      chosen(target.value === "map" ? { view: "map" } : { kind: target.value, view: "" });
    });
  }

  /** Show the tabs that have something in them. */
  show(state, kinds) {
    const both = Boolean(kinds.image && kinds.text);
    const there = { "": both && isQuery(state), image: kinds.image, text: kinds.text };
    const current = state.view === "map" ? "map" : shownKind(state, kinds);
    this.group.hidden = !kinds.image && !kinds.text;
    for (const button of this.group.children) {
      button.hidden = button.value !== "map" && !there[button.value];
      button.setAttribute("aria-pressed", button.value === current);
    }
  }
}

/** Return the kind that is shown: the one that was chosen, all for a query, else photos first. */
export function shownKind(state, kinds) {
  if (state.kind && kinds[state.kind]) return state.kind;
  if (isQuery(state) && kinds.image && kinds.text) return "";
  return kinds.image ? "image" : "text";
}
