// An entry of the index, and the words that stand for it.

import { ask } from "/server.js";

/** Return the last part of a path. */
export function fileName(path) {
  return path.split(/[\\/]/).pop();
}

/** Return what stands for an entry in words: its caption, its text, or its file's name. */
export function caption(entry) {
  return entry.text.trim() || fileName(entry.path ?? "") || entry.kind;
}

/** Return the ratio of width to height that an entry is shown in. */
export function ratio(entry) {
  if (entry.kind === "text") return 1.3;
  return entry.width && entry.height ? entry.width / entry.height : 1;
}

/** Return the entry of an id; nothing if it is not in the index any more. */
export async function find(id) {
  try {
    return await ask(`/v1/entries/${encodeURIComponent(id)}`);
  } catch {
    return undefined;
  }
}
