// An entry of the index, and how it is called.

import { ask } from "/server.js";

/** Return the last part of a path. */
export function fileName(path) {
  return path.split(/[\\/]/).pop();
}

/** Return what stands for an entry in words: its caption, what it says, or its file's name. */
export function caption(entry) {
  return entry.text.trim() || fileName(entry.path ?? "") || entry.kind;
}

/** Return the ratio of width to height that an entry is shown in. */
export function ratio(entry) {
  if (entry.kind === "text") return 1.3;
  return entry.width && entry.height ? entry.width / entry.height : 1;
}

/** Find one entry by its id; nothing if it has gone. */
export async function find(id) {
  const body = { like: id, k: 1, where: `id = '${id.replaceAll("'", "''")}'` };
  try {
    const { score, ...entry } = (await ask("/v1/search", { body })).hits[0];
    return entry;
  } catch {
    return undefined;
  }
}
