// The page: what is searched for, and everything that shows it.
//
// keys, words, images -> state -> address -> search -> grid, words, map, viewer
//                        no query         -> browse -> grid

import { NOTHING, isQuery, kept, readUrl, writeUrl } from "/url.js";
import { clearMessage, showError, showOutage } from "/message.js";
import { Browse } from "/browse.js";
import { Collection, showCollection } from "/collection.js";
import { Entries } from "/entry.js";
import { Examples } from "/examples.js";
import { SearchBox, takeImages } from "/search_box.js";
import { Filters, condition, sorted } from "/filters.js";
import { Grid } from "/grid.js";
import { CollectionMap } from "/map.js";
import { GivenImage } from "/given_image.js";
import { describeGone, picture, recall } from "/picture.js";
import { Search, requestBody } from "/search.js";
import { Selection } from "/selection.js";
import { listenForShortcuts } from "/shortcuts.js";
import { countListed, showFound, showListed } from "/status.js";
import { Tabs, shownKind } from "/tabs.js";
import { Viewer } from "/viewer.js";
import { showWords } from "/words.js";

const PAGE_SIZE = 24;
const MOST = 240;
const NO_ANSWER = { key: "", hits: [], words: [] };
const part = (name) => document.querySelector(name);

let state = { ...NOTHING };
let answered = NO_ANSWER;
let k = PAGE_SIZE;
let drafting = false; // typing goes on: the address changes, but no step back is added
let last = ""; // the query that k is of
let arrivals = 0; // addresses that were read; of two, the later one counts

const entries = new Entries();
const collection = new Collection({
  changed(index) {
    showCollection(index);
    map.outdate();
    answered = { ...answered, key: "" };
    browse.renew();
    if (index.items) examples.look();
    render();
  },
  trouble: showOutage,
  refused: showError,
});

const search = new Search({
  working: (busy) => searchBox.working(busy),
  trouble: showOutage,
  answer(body, answer) {
    answered = { key: JSON.stringify(body), ...answer };
    entries.add(answer.hits);
    showAnswer();
    showExample();
    showViewer();
  },
  refused(error) {
    if (state.picture && (error.code === "item" || error.status === 413)) return given.drop(error);
    answered = NO_ANSWER;
    showAnswer();
    showError(error);
    if (error.status === 404 && !state.like) collection.look();
    return undefined;
  },
});

const searchBox = new SearchBox(part(".ask"), {
  typed: (change) => go(change, { typing: true }),
  settled() {
    drafting = false;
  },
  given: (file) => given.give(file),
  freed: () => go({ like: "", picture: "" }),
  down: () => (state.view === "map" ? false : grid.focus()),
});

const grid = new Grid(part(".grid"), {
  href: (id) => writeUrl({ ...state, open: id }),
  opens: (id) => (selection.on ? select(id) : go({ open: id })),
  picks: select,
  leaves: () => searchBox.focus(),
});
const filters = new Filters(part(".filters"), (change) => go(change));
const selection = new Selection(part(".selection"), part(".select"), {
  shown: listed,
  changed: () => showSelection(),
});

const browse = new Browse(part(".end"), {
  entries() {
    if (isQuery(state)) return;
    entries.add(browse.entries);
    show(browse.entries);
    showListed(state, browse, collection.index.kinds);
    showViewer();
  },
  trouble: showOutage,
  refused: (error) => (error.status === 404 ? collection.look() : showError(error)),
});

const examples = new Examples(part(".tries"), (text) => go({ ...NOTHING, text }));
const given = new GivenImage({
  state: () => state,
  go,
  put(next) {
    state = next;
    history.replaceState(history.state, "", writeUrl(state));
    render();
  },
});
const tabs = new Tabs(part(".tabs"), (change) => go(change));
const map = new CollectionMap(part(".map"), {
  opens: (id) => go({ open: id }),
  picks: (points) => selection.add(points),
  toggles: (point) => selection.toggle(point),
  searches: (text) => go({ ...kept(state), text }),
});

const viewer = new Viewer(part(".viewer"), {
  shut,
  step(by) {
    const place = placeOf(state.open);
    const next = listed()[place + by];
    if (next && place >= 0) go({ open: next.id }, { replacing: true });
    if (!isQuery(state) && place + 10 > browse.entries.length) browse.more();
  },
  like: (entry) => go({ ...kept(state), like: entry.id }),
  but(entry) {
    viewer.does.like(entry);
    searchBox.focus();
  },
  folder: (folder) => go({ ...NOTHING, kind: state.kind, folder }),
});

/** Read the address, and find the image again that it names. */
async function arrive() {
  const there = readUrl(location);
  const arrival = (arrivals += 1);
  const gone = there.picture && !(await recall(there.picture));
  if (arrival !== arrivals) return;
  state = gone ? { ...there, picture: "" } : there;
  drafting = false;
  if (gone) showError(new Error(describeGone(isQuery(state))));
}

/** Change the state, and note it as a step that one can go back from. */
function go(change, { typing = false, replacing = false } = {}) {
  const next = { ...state, ...change };
  if (change.text || change.like || change.picture) next.view = change.view ?? "";
  if (!("open" in change)) next.open = "";
  const opened = replacing ? history.state?.opened : Boolean(next.open) && !state.open;
  const replace = replacing || (typing && drafting);
  arrivals += 1;
  history[replace ? "replaceState" : "pushState"]({ opened }, "", writeUrl(next));
  drafting = typing;
  if (isQuery(next) !== isQuery(state) || next.kind !== state.kind) scrollTo(0, 0);
  state = next;
  if (collection.index) clearMessage();
  render({ typing });
}

/** Close the entry: back to where it was opened from, if that was here. */
function shut() {
  const { open } = state;
  if (history.state?.opened) return history.back();
  go({ open: "" }, { replacing: true });
  if (!isMap()) grid.focus(open);
}

window.addEventListener("popstate", async () => {
  const { open } = state;
  if (collection.index) clearMessage();
  await arrive();
  render();
  if (open && !state.open && !isMap()) grid.focus(open);
});

/** Return whether the map is shown; it stays until there are results to show in its place. */
function isMap() {
  const stays = isQuery(state) && !answered.key && !part(".map").hidden;
  return state.view === "map" || stays;
}

/** Return what the grid lists. */
function listed() {
  return isQuery(state) ? sorted(answered.hits, state.sort) : browse.entries;
}

/** Show entries in the grid. */
function show(hits) {
  grid.show(hits);
  filters.suggest(hits);
  showSelection();
}

function showSelection() {
  grid.mark(selection.on ? selection.entries : null);
  map.select(selection.entries);
}

function select(id) {
  selection.toggle(listed().find((entry) => entry.id === id));
}

function placeOf(id) {
  return listed().findIndex((entry) => entry.id === id);
}

/** Show the state; search if its query is not the one that was answered. */
function render({ typing = false } = {}) {
  showExample();
  if (!collection.index?.items) return showViews();
  const body = request();
  if (!body) {
    search.stop();
    answered = NO_ANSWER;
    showAnswer();
    browse.show(shownKind(state, collection.index.kinds), condition({ ...state, kind: "" }), state.sort);
  } else {
    browse.rest();
    if (JSON.stringify(body) === answered.key) {
      search.stop();
      showAnswer();
    } else search.ask(body, { typing });
  }
  showViews();
  return showViewer();
}

/** Return the body of the search for the state; nothing without a query. */
function request() {
  const body = requestBody(state, picture(state.picture)?.image);
  if (!body) return null;
  const query = JSON.stringify(body);
  if (query !== last) [k, last] = [PAGE_SIZE, query];
  return { ...body, k };
}

const showExample = () => searchBox.showExample(() => state, entries);

function showViews() {
  const { items = 0, kinds = {} } = collection.index ?? {};
  const query = isQuery(state);
  tabs.show(state, kinds);
  filters.show(state, query);
  part(".filters").hidden = part(".select").hidden = !items || isMap();
  part(".map").hidden = !isMap() || !items;
  part(".found").hidden = isMap() || !items;
  examples.show(!query && items > 0 && !isMap());
  document.title = state.text.trim() ? `${state.text.trim()} · e5v` : "e5v";
  if (!part(".map").hidden) map.load({ trouble: showOutage, refused: showError });
  if (!query || !items) showListed(state, browse, kinds);
}

function showAnswer() {
  const { hits, words, key } = answered;
  showViews();
  if (isQuery(state)) show(listed());
  showWords(part(".summary"), words, (word) => go({ ...kept(state), text: word }));
  map.mark(hits.map((hit) => hit.id));
  const found = { ...answered, k, total: total(), isMap: isMap() };
  if (isQuery(state)) showFound(state, found);
  part(".more").hidden = !key || hits.length < k || k >= MOST || hits.length >= total();
}

/** Return how many entries there are to show. */
function total() {
  return countListed(state, collection.index, entries.kind(state.like));
}

async function showViewer() {
  const { open } = state;
  if (!open) return viewer.hide();
  const place = placeOf(open);
  const entry = place < 0 ? await entries.find(open) : listed()[place];
  if (state.open !== open) return undefined;
  if (!entry) return go({ open: "" }, { replacing: true });
  const { length } = listed();
  return viewer.show(entry, place + 1, { count: isQuery(state) ? length : total(), last: place + 1 === length });
}

part(".more").addEventListener("click", () => {
  k = Math.min(MOST, k + PAGE_SIZE);
  search.ask(request());
});
takeImages(part(".drop"), { given: (file) => given.give(file), refused: showError });
listenForShortcuts({
  starts: () => go({ ...NOTHING }),
  types: () => searchBox.focus(),
  busy: () => Boolean(state.open),
});
await arrive();
render();
collection.look();
if (!matchMedia("(pointer: coarse)").matches) searchBox.words.focus();
