// The page: what is asked, and all that shows it.
//
// keys, words, images -> Asked -> address -> search -> grid, words, map, viewer

import { NOTHING, isQuery, read, write } from "/address.js";
import { calm, complain, trouble } from "/banner.js";
import { Collection, counted, many, showNotice } from "/collection.js";
import { caption, find } from "/entry.js";
import { Field, takeImages } from "/field.js";
import { Grid } from "/grid.js";
import { CollectionMap } from "/map.js";
import { keep, picture } from "/picture.js";
import { Search } from "/search.js";
import { askPatiently } from "/server.js";
import { Viewer } from "/viewer.js";
import { showWords } from "/words.js";

const PAGE_SIZE = 24;
const MOST = 240;
const part = (name) => document.querySelector(name);

let asked = address();
let answered = { key: "", hits: [], words: [] };
let entries = new Map(); // those that are known beside the hits
let k = PAGE_SIZE;
let drafting = false; // typing goes on: the address changes, but no step back is added
let drawn = false; // the map has its points

const collection = new Collection({
  changed(index) {
    part(".empty").hidden = index.items > 0;
    part(".model").textContent = index.model;
    showNotice(part(".notice"), index.notice);
    drawn = false;
    answered.key = "";
    render();
  },
  trouble,
  refused: complain,
});

const search = new Search({
  working: (busy) => field.working(busy),
  trouble,
  answer(body, answer) {
    answered = { key: JSON.stringify(body), ...answer };
    for (const { score, ...entry } of answer.hits) entries.set(entry.id, entry);
    showAnswer();
    showExample();
    showViewer();
  },
  refused(error) {
    answered = { key: "", hits: [], words: [] };
    showAnswer();
    complain(error);
    if (error.status === 404 && !asked.like) collection.look();
  },
});

const field = new Field(part(".ask"), {
  typed: (change) => go(change, { typing: true }),
  settled() {
    drafting = false;
  },
  given: give,
  freed: () => go({ like: "", picture: "" }),
  down: () => (asked.view === "map" ? false : grid.focus()),
});

const grid = new Grid(part(".grid"), {
  href: (id) => write({ ...asked, open: id }),
  opens: (id) => go({ open: id }),
  leaves: () => field.focus(),
});

const map = new CollectionMap(part(".map"), { opens: (id) => go({ open: id }) });

const viewer = new Viewer(part(".viewer"), {
  shut,
  step(by) {
    const next = answered.hits[placeOf(asked.open) + by];
    if (next && placeOf(asked.open) >= 0) go({ open: next.id }, { replacing: true });
  },
  like: (entry) => go({ ...NOTHING, kind: asked.kind, like: entry.id }),
  but(entry) {
    go({ ...NOTHING, kind: asked.kind, like: entry.id });
    field.focus();
  },
});

/** Read the address; an image that was searched by is gone when the page was loaded anew. */
function address() {
  const there = read(location, history.state);
  if (!there.picture || picture(there.picture)) return there;
  complain(new Error("The image that was searched by is gone; drop it again."));
  return { ...there, picture: "" };
}

/** Change what is asked or shown, and note it as a step that one can go back from. */
function go(change, { typing = false, replacing = false } = {}) {
  const next = { ...asked, ...change };
  if (change.text || change.like || change.picture) next.view = change.view ?? "";
  if (!("open" in change)) next.open = "";
  const state = { picture: next.picture, opened: Boolean(next.open) && !asked.open };
  if (replacing) state.opened = history.state?.opened;
  const replace = replacing || (typing && drafting);
  history[replace ? "replaceState" : "pushState"](state, "", write(next));
  drafting = typing;
  asked = next;
  if (collection.index) calm();
  render({ typing });
}

/** Close the entry: back to where it was opened from, if that was here. */
function shut() {
  const { open } = asked;
  if (history.state?.opened) return history.back();
  go({ open: "" }, { replacing: true });
  if (!isMap()) grid.focus(open);
}

window.addEventListener("popstate", () => {
  const { open } = asked;
  if (collection.index) calm();
  asked = address();
  drafting = false;
  render();
  if (open && !asked.open && !isMap()) grid.focus(open);
});

/** Search by an image; words that are there stay, and say how it is to differ. */
async function give(file) {
  try {
    go({ picture: await keep(file), like: "" });
    field.words.focus();
  } catch (error) {
    complain(error);
  }
}

/** Tell whether the map is shown; it stays until there are results to show in its place. */
function isMap() {
  const stays = !answered.key && !part(".map").hidden;
  return asked.view === "map" || !isQuery(asked) || stays;
}

function placeOf(id) {
  return answered.hits.findIndex((hit) => hit.id === id);
}

/** Show what is asked; search if that is not what was answered. */
function render({ typing = false } = {}) {
  showExample();
  if (!collection.index?.items) return showViews();
  const body = request();
  if (!body) {
    search.stop();
    answered = { key: "", hits: [], words: [] };
    showAnswer();
  } else if (JSON.stringify(body) !== answered.key) {
    search.ask(body, { typing });
  } else {
    search.stop();
    showAnswer();
  }
  showViews();
  showViewer();
}

/** Return what is sent for what is asked; nothing for nothing. */
function request() {
  const image = picture(asked.picture)?.image;
  const body = { text: asked.text.trim(), like: asked.like, image, without: asked.without.trim() };
  if (!body.text && !body.like && !image) return null;
  k = sameQuery(body) ? k : PAGE_SIZE;
  const where = asked.kind && `kind = '${asked.kind}'`;
  const given = Object.entries({ ...body, where, k }).filter(([, value]) => value);
  return Object.fromEntries(given);
}

let last = "";
function sameQuery(body) {
  const query = JSON.stringify([body, asked.kind]);
  const same = query === last;
  last = query;
  return same;
}

async function showExample() {
  const own = picture(asked.picture);
  if (own) return field.show(asked, { name: own.name, source: own.image });
  if (!asked.like) return field.show(asked);
  field.show(asked, { name: "…" });
  const { like } = asked;
  const entry = await known(like);
  if (entry && asked.like === like) field.show(asked, { name: caption(entry), source: entry.thumbnail });
}

function showViews() {
  const query = isQuery(asked);
  const { kinds } = collection.index ?? {};
  part(".views").hidden = !answered.key;
  part(".kinds").hidden = !query || !kinds?.image || !kinds?.text || isMap();
  press(".views", asked.view);
  press(".kinds", asked.kind);
  part(".map").hidden = !isMap() || !collection.index?.items;
  part(".found").hidden = isMap() || !collection.index?.items;
  document.title = asked.text.trim() ? `${asked.text.trim()} · e5v` : "e5v";
  if (!part(".map").hidden) drawMap();
  if (!query && collection.index?.items) part(".status").textContent = counted(kinds);
}

function press(group, value) {
  for (const button of part(group).children) {
    button.setAttribute("aria-pressed", button.value === value);
  }
}

function showAnswer() {
  const { hits, words, took_ms: took } = answered;
  showViews();
  grid.show(hits);
  showWords(part(".said"), words, (word) => go({ ...NOTHING, kind: asked.kind, text: word }));
  map.mark(hits.map((hit) => hit.id));
  part(".nothing").hidden = !answered.key || hits.length > 0;
  part(".more").hidden = hits.length < k || k >= MOST || hits.length >= collection.index.items;
  if (answered.key) {
    const count = hits.length ? many(hits.length, "result") : "No result";
    part(".status").textContent = `${count} in ${Math.round(took)} ms`;
  }
}

async function showViewer() {
  const { open } = asked;
  if (!open) return viewer.hide();
  const place = placeOf(open);
  const entry = place < 0 ? await known(open) : answered.hits[place];
  if (asked.open !== open) return undefined;
  if (!entry) return go({ open: "" }, { replacing: true });
  return viewer.show(entry, place + 1, answered.hits.length);
}

/** Return an entry that is known, or find it. */
async function known(id) {
  if (!entries.has(id)) entries.set(id, find(id));
  const entry = await entries.get(id);
  if (!entry) entries.delete(id);
  return entry;
}

async function drawMap() {
  if (drawn) return;
  drawn = true;
  try {
    map.show((await askPatiently("/v1/map", { tell: trouble })).points);
  } catch (error) {
    drawn = false;
    complain(error);
  }
}

function listen() {
  part(".views").addEventListener("click", ({ target }) => "value" in target && go({ view: target.value }));
  part(".kinds").addEventListener("click", ({ target }) => "value" in target && go({ kind: target.value }));
  part(".more").addEventListener("click", () => {
    k = Math.min(MOST, k + PAGE_SIZE);
    search.ask(request());
  });
  part(".name").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go({ ...NOTHING });
  });
  part(".command button").addEventListener("click", ({ target }) => {
    copy(part(".command code"), target);
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea") || asked.open;
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    field.focus();
  });
  takeImages(part(".drop"), give);
}

/** Put a text on the clipboard, or select it where that is not allowed. */
async function copy(element, button) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(element);
  }
}

listen();
render();
collection.look();
if (!matchMedia("(pointer: coarse)").matches) field.words.focus();
