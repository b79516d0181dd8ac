// How much there is, and how much of it was found, in words.

import { shownKind } from "/tabs.js";
import { isQuery } from "/url.js";

/** Return how much is indexed: "4 images, 12 texts". */
export function countEntries(kinds) {
  const there = Object.entries(kinds).filter(([, count]) => count);
  return there
    .map(([kind, count]) => `${count.toLocaleString("en")} ${kind}${count === 1 ? "" : "s"}`)
    .join(", ");
}

/** Return how many entries there are of the kind that is shown, without the example. */
export function countListed(state, { items, kinds }, exampleKind) {
  const kind = isQuery(state) ? state.kind : shownKind(state, kinds);
  const ofKind = !kind || exampleKind === kind;
  return (kind ? kinds[kind] : items) - Number(Boolean(state.like) && ofKind);
}

/** Return how many of those that could be found are shown: "Nearest 24 of 500". */
export function describeNearest(shown, { requested, total }) {
  if (!shown) return "No result";
  const all = shown < requested ? shown : Math.max(shown, total); // a filter may have left out others
  return `Nearest ${shown.toLocaleString("en")} of ${all.toLocaleString("en")}`;
}
