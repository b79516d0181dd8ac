// An entry of the index, and the words that stand for it.

import { ask } from "/api.js";
import { plainText } from "/plain.js";

/** Return the last part of a path. */
export function fileName(path) {
  return path.split(/[\\/]/).pop();
}

/** Return what stands for an entry in words: its caption, its text, or its file's name. */
export function caption(entry) {
  return plainText(entry) || fileName(entry.path ?? "") || entry.kind;
}

/** Return the ratio of width to height that an entry is shown in. */
export function ratio(entry) {
  if (entry.kind === "text") return 1.3;
  return entry.width && entry.height ? entry.width / entry.height : 1;
}

/** Return the day of an entry, as people write it here. */
export function day(entry) {
  const date = new Date(entry.date ?? "");
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleDateString(undefined, { dateStyle: "long" });
}

/** The entries that were seen, by id; others are fetched when they are needed. */
export class Entries {
  constructor() {
    this.seen = new Map();
  }

  /** Remember entries, or hits, which are entries with a score. */
  add(hits) {
    for (const { score, match, ...entry } of hits) this.seen.set(entry.id, entry);
  }

  /** Return the kind of an entry that was seen. */
  kind(id) {
    return this.seen.get(id)?.kind;
  }

  /** Return an entry; nothing if it is not in the index any more. */
  async find(id) {
    if (!this.seen.has(id)) this.seen.set(id, fetchEntry(id));
    const entry = await this.seen.get(id);
    if (entry) this.seen.set(id, entry);
    else this.seen.delete(id);
    return entry;
  }
}

async function fetchEntry(id) {
  try {
    return await ask(`/v1/entries/${encodeURIComponent(id)}`);
  } catch {
    return undefined;
  }
}
