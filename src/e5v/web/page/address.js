// What is asked and shown, as it stands in the address.
//
// ?q=words&like=id&without=words&kind=image&view=map&open=id <-> Asked

const NAMES = { text: "q", like: "like", without: "without", kind: "kind", view: "view", open: "open" };

export const NOTHING = { text: "", like: "", without: "", kind: "", view: "", open: "", picture: "" };

/** Read an address; a picture is named in the history's own state, for it has no address. */
export function read(location, state) {
  const given = new URLSearchParams(location.search);
  const asked = { ...NOTHING, picture: state?.picture ?? "" };
  for (const [field, name] of Object.entries(NAMES)) asked[field] = given.get(name) ?? "";
  return asked;
}

/** Write an address. */
export function write(asked) {
  const given = new URLSearchParams();
  for (const [field, name] of Object.entries(NAMES)) {
    if (asked[field].trim()) given.set(name, asked[field]);
  }
  return `/${given.size ? `?${given}` : ""}`;
}

/** Tell whether there is anything to search for. */
export function isQuery(asked) {
  return Boolean(asked.text.trim() || asked.like || asked.picture);
}
