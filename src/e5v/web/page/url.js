// What is searched for and shown, as it stands in the page's address.
//
// ?q=words&like=id&image=key&without=words&kind=image&from=2024-01-01&to=2024-12-31&folder=trips
//  &sort=newest&view=map&open=id <-> state

const NAMES = {
  text: "q",
  like: "like",
  picture: "image", // the key of an image that this browser keeps (picture.js)
  without: "without",
  kind: "kind",
  from: "from", // days, as 2024-05-31
  to: "to",
  folder: "folder",
  sort: "sort", // newest, oldest; else the best match, or the newest, first
  view: "view",
  open: "open",
};

export const NOTHING = Object.fromEntries(Object.keys(NAMES).map((field) => [field, ""]));

/** Read an address. */
export function readUrl(location) {
  const given = new URLSearchParams(location.search);
  const pairs = Object.entries(NAMES).map(([field, name]) => [field, given.get(name) ?? ""]);
  return Object.fromEntries(pairs);
}

/** Write an address. */
export function writeUrl(state) {
  const given = new URLSearchParams();
  for (const [field, name] of Object.entries(NAMES)) {
    if (state[field].trim()) given.set(name, state[field]);
  }
  return `/${given.size ? `?${given}` : ""}`;
}

/** Return what a new query keeps of the state: which entries are looked through. */
export function kept({ kind, from, to, folder }) {
  return { ...NOTHING, kind, from, to, folder };
}

/** Return whether there is anything to search for. */
export function isQuery(state) {
  return Boolean(state.text.trim() || state.like || state.picture);
}
