"""`e5v search`: a text, an image, or both in; the nearest items of the index out.

text, image, without -> E5V -> an index or a database -> a table, pictures, JSON lines, or a page
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import UsageError
from e5v.extras import EXTRAS, need
from e5v.image_names import named_file
from e5v.places import is_url
from e5v.verbs.console import announce, say, show_line, wants_lines
from e5v.verbs.engine_options import EngineOptions
from e5v.verbs.model_options import Opening, check_model, choose_model, choose_opening
from e5v.verbs.options import AtStores, need_at_least_1
from e5v.verbs.paths import index_folder, missing_index, need_image
from e5v.verbs.store import check_store, open_store
from e5v.verbs.where import check_filter

if TYPE_CHECKING:
    from rich.console import Console

    from e5v.databases.store_index import StoreIndex
    from e5v.search.entries import Hit
    from e5v.search.index import Index
    from e5v.search.manifest import Manifest
    from e5v.verbs.terminal_images import Draw

    Reader = Index | StoreIndex

ALIKE = 0.95  # cosine of near-identical items
LONGEST = 120  # characters of a caption in a table


@dataclass(frozen=True)
class Search:
    """Search an index by text, by image, or by both.

    With an image and a text, the text says how the result should differ from the image.

    Examples:
        e5v search a dog in the grass
        e5v search --image dog.jpg --where "kind = 'image'"
        e5v search --duplicates
        e5v search in the snow --image dog.jpg --without people
    """

    text: Annotated[Positional[tuple[str, ...]], arg(metavar="[TEXT ...]")] = ()
    """What to look for (several words are joined). With --image: how the result should differ
    from the image."""
    image: Annotated[Path | None, arg(metavar="FILE")] = None
    """Find images and texts like this image. With TEXT, the image itself is left out."""
    without: Annotated[str | None, arg(metavar="TEXT")] = None
    """What the results should not show."""
    k: Annotated[int, arg(aliases=("-k",), metavar="N")] = 10
    """Maximum number of results."""
    min_score: Annotated[float | None, arg(metavar="COSINE")] = None
    """Minimum cosine similarity of a result; with --duplicates, of a group (0.95 by default)."""
    where: Annotated[str | None, arg(metavar="FILTER")] = None
    """SQL condition on path, kind, part, size, mtime, text, width or height, such as
    "kind = 'image' AND path LIKE '%/2024/%'"."""
    duplicates: bool = False
    """Group near-duplicates instead of searching."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""
    open: bool = False
    """Also show the results in a browser."""
    index: Annotated[Path | None, arg(metavar="FOLDER"), AtStores] = None
    """Folder of the index, or s3://bucket/name, gs:// or az://; by default $E5V_INDEX, or the
    user's application data."""
    store: Annotated[str | None, arg(metavar="URL")] = None
    """Search a collection that e5v export made in a database instead: qdrant://HOST:PORT/NAME,
    milvus://HOST:PORT/NAME or postgresql://HOST:PORT/DATABASE/NAME."""
    model: Annotated[str | None, arg(metavar="MODEL")] = None
    """Hub id or folder of the model; by default the index's own."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)
    remote: OmitArgPrefixes[EngineOptions] = field(default_factory=EngineOptions)

    def __post_init__(self) -> None:
        """Refuse options that are out of range or do not go together.

        Raises:
            UsageError: names the option.
        """
        has_query = bool(self.query) or self.image is not None
        need_at_least_1(self, "k")
        if self.duplicates and (has_query or self.without or self.where):
            raise UsageError("--duplicates compares everything; leave out what to look for")
        if not self.duplicates and not has_query:
            raise UsageError("nothing to look for; give TEXT, --image FILE, or --duplicates")
        for words in (self.query, self.without):
            if words and is_url(words):
                raise UsageError(
                    f"{words} is a URL, which is not supported; for an image, save it and give "
                    "--image FILE, and for a text, add a word"
                )
        if self.min_score is not None and not -1 <= self.min_score <= 1:
            raise UsageError(f"--min-score is {self.min_score}; expected a cosine, -1 to 1")
        if self.where is not None:
            check_filter(self.where)
        check_store(self.store, index=self.index, where=self.where)
        if self.store and self.duplicates:
            raise UsageError("--duplicates compares the vectors of an index; leave out --store")

    @property
    def query(self) -> str | None:
        """The words to look for, in one text; None if there are none."""
        return " ".join(self.text).strip() or None


def search(verb: Search) -> None:
    """Show what is nearest to the query, nearest first.

    Raises:
        E5VError: there is no index, it was made with another model, or the query is at fault.
    """
    with _open(verb) as reader:
        if verb.duplicates:
            groups = _duplicates(verb, reader)
            title = f"Near-duplicates: {len(groups)} groups"
        else:
            if verb.where is not None:
                reader.check_filter(verb.where)  # before torch is imported
            groups = [_find(verb, reader)]
            like = f"like {verb.image.name}" if verb.image else ""
            without = f"without {verb.without}" if verb.without else ""
            title = " ".join(filter(None, [verb.query, like, without]))
    if wants_lines(json=verb.json):
        for number, group in enumerate(groups, 1):
            for hit in group:
                show_line(({"group": number} if verb.duplicates else {}) | _fields(hit))
    else:
        show(groups)
    if verb.open:
        _open_page(title, groups)


@contextmanager
def _open(verb: Search) -> "Iterator[Reader]":
    """Open what is searched, and check what can be known before anything slow is imported."""
    need_image(verb.image, "--image")
    if verb.store is not None:
        with open_store(verb.store) as stored:
            _check(verb, stored.manifest)
            yield stored
        return
    need("e5v search", *EXTRAS["search"])
    folder = index_folder(verb.index)
    manifest = folder.read_manifest()
    if manifest is None:
        raise missing_index(folder, verb.index)
    _check(verb, manifest)
    announce(f"opening the index in {folder}")
    from e5v.search.index import Index

    yield Index.open(folder)


def _check(verb: Search, manifest: "Manifest") -> None:
    if not verb.duplicates:
        check_model(choose_model(verb.model, manifest), verb.opening.adapter)
    if verb.query and (path := named_file(verb.query)):
        say(f"warning: searching for the text {verb.query}; for the image, use --image {path}")


def _duplicates(verb: Search, reader: "Reader") -> "list[Sequence[Hit]]":
    """Group near-duplicates; each has its cosine with the first of its group."""
    from e5v.search.entries import Hit
    from e5v.search.index import Index

    assert isinstance(reader, Index)  # checked by the verb's record
    groups: list[Sequence[Hit]] = []
    for group in reader.duplicates(ALIKE if verb.min_score is None else verb.min_score):
        vectors = [reader.vector(entry.id) for entry in group]
        first = vectors[0]
        scores = [float(first @ one) for one in vectors if first is not None and one is not None]
        pairs = zip(group, scores, strict=True)
        groups.append([Hit(entry, min(score, 1.0)) for entry, score in pairs])
    return groups


def _find(verb: Search, reader: "Reader") -> "list[Hit]":
    """Embed the query with the model of the index, and find what is nearest to it."""
    from e5v.model.bundled import limits_notice
    from e5v.search.index_model import manifest_of
    from e5v.search.query import Query, embed_query, find

    query = Query(verb.query, verb.image, verb.without)
    name = choose_model(verb.model, reader.manifest)
    opening = choose_opening(verb.opening, reader.manifest, name)
    model = opening.open(name, engine=verb.remote.address(), there=reader.manifest)
    reader.manifest.check(manifest_of(model, name))
    if warning := limits_notice(name):
        say(warning)
    vectors = embed_query(model, query)
    return find(reader, vectors, k=verb.k, where=verb.where, min_score=verb.min_score)


def _fields(hit: "Hit") -> dict[str, object]:
    entry = hit.entry
    names = ("id", "path", "kind", "part", "text", "size", "mtime", "width", "height")
    return {"score": round(hit.score, 6)} | {name: getattr(entry, name) for name in names}


def show(groups: "Sequence[Sequence[Hit]]") -> None:
    """Show hits to a person: with pictures where the terminal can draw them, else as a table."""
    from rich.console import Console

    from e5v.verbs.terminal_images import protocol

    console = Console(highlight=False)
    if not any(groups):
        console.print("Nothing was found.")
        return
    pictured = any(hit.entry.thumbnail for hits in groups for hit in hits)
    draw = protocol(os.environ) if pictured else None
    for hits in groups:
        if draw:
            _show_pictures(console, hits, draw)
        else:
            console.print(_table(hits))


def _table(hits: "Sequence[Hit]") -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("score", justify="right")
    table.add_column("path", overflow="fold")
    table.add_column("caption")
    for hit in hits:
        table.add_row(f"{hit.score:.3f}", Text(_place(hit)), Text(_caption(hit)))
    return table


def _show_pictures(console: "Console", hits: "Sequence[Hit]", draw: "Draw") -> None:
    from rich.text import Text

    from e5v.verbs.terminal_images import open_small

    for hit in hits:
        console.print(Text.assemble((f"{hit.score:.3f}", "bold"), f"  {_place(hit)}"))
        if caption := _caption(hit):
            console.print(Text(f"       {caption}", "dim"))
        picture = open_small(hit.entry.thumbnail) if hit.entry.thumbnail else None
        if picture:
            console.file.write(draw(picture) + "\n")
            console.file.flush()


def _place(hit: "Hit") -> str:
    """Name an entry: its path, shown from here if it is below, and a text's part."""
    path = hit.entry.path
    here = os.path.join(os.getcwd(), "")  # noqa: PTH109, PTH118
    path = path.removeprefix(here)
    path = path if path.isprintable() else ascii(path)
    return f"{path}:{hit.entry.part}" if hit.entry.kind == "text" else path


def _caption(hit: "Hit") -> str:
    text = " ".join(hit.entry.text.split())
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _open_page(title: str, groups: "Sequence[Sequence[Hit]]") -> None:
    import tempfile
    import webbrowser

    from e5v.verbs.search_page import SearchPage, render_search_page

    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="e5v-search-", suffix=".html", delete=False
    ) as file:
        file.write(render_search_page(SearchPage(title, groups)))
    say(f"wrote {file.name}")
    webbrowser.open(Path(file.name).as_uri())
