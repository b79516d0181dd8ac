// How much there is, and how much of it was found, in words.

/** Return how much is indexed: "4 images, 12 texts". */
export function counted(kinds) {
  const there = Object.entries(kinds).filter(([, count]) => count);
  return there
    .map(([kind, count]) => `${count.toLocaleString("en")} ${kind}${count === 1 ? "" : "s"}`)
    .join(", ");
}

/** Return how many of those that could be found are shown: "Nearest 24 of 500". */
export function nearest(shown, { asked, total }) {
  if (!shown) return "No result";
  const all = shown < asked ? shown : Math.max(shown, total); // a filter may have left out others
  return `Nearest ${shown.toLocaleString("en")} of ${all.toLocaleString("en")}`;
}
