// How much there is, and how much of it was found, in words.

import { shownKind } from "/tabs.js";
import { isFiltered } from "/filters.js";
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

/** Return how much of the collection is listed, where filters leave some out. */
export function describeListed(count, complete) {
  return `${count.toLocaleString("en")}${complete ? "" : "+"} found`;
}

/** Return what to say of results of which none is a strong match; "" if one is, or if unknown. */
export function describeDistance(hits) {
  if (!hits.length || hits.some(({ match }) => match === "strong" || !match)) return "";
  if (hits.every(({ match }) => match === "none")) return "Nothing close. These are the nearest.";
  return "No strong match. These are the nearest.";
}

/** Return how many of those that could be found are shown: "Nearest 24 of 500". */
export function describeNearest(shown, { requested, total, filtered = false }) {
  if (!shown) return "No result";
  if (filtered) return `Nearest ${shown.toLocaleString("en")}`;
  const all = shown < requested ? shown : Math.max(shown, total); // a filter may have left out others
  return `Nearest ${shown.toLocaleString("en")} of ${all.toLocaleString("en")}`;
}

const part = (name) => document.querySelector(name);

/** Say how much is listed without a query. */
export function showListed(state, { entries, complete }, kinds) {
  const filtered = isFiltered(state) && state.view !== "map";
  const listed = filtered ? describeListed(entries.length, complete) : countEntries(kinds);
  part(".status").textContent = listed;
  part(".nothing").hidden = !filtered || !complete || entries.length > 0;
  part(".far").hidden = true;
}

/** Say how much a query found, and whether any of it is close. */
export function showFound(state, { key, hits, k, total, isMap }) {
  const of = { requested: k, total, filtered: isFiltered(state) };
  const far = describeDistance(hits);
  part(".status").textContent = key ? describeNearest(hits.length, of) : "";
  part(".nothing").hidden = !key || hits.length > 0;
  part(".far").textContent = far;
  part(".far").hidden = !far || isMap;
}
