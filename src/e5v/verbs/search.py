"""`e5v search`: words, an image, or both in; what is nearest in the index out.

text, image, without -> E5V -> Index.search -> a table, pictures, JSON lines, or a page
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import ItemError, UsageError
from e5v.extras import EXTRAS, need
from e5v.verbs.index import name_of_model, opening_of
from e5v.verbs.opening import Opening
from e5v.verbs.talk import say, show_line, wants_lines

if TYPE_CHECKING:
    from rich.console import Console

    from e5v.search.index import Hit
    from e5v.search.index import Index as Reader
    from e5v.verbs.terminal_pictures import Draw

ALIKE = 0.95  # cosine of near-identical items
LONGEST = 120  # characters of a caption in a table


@dataclass(frozen=True)
class Search:
    """Find images and texts by words, by an image, or by both: like this, but ...

    e5v search "in the snow" --image dog.jpg --without people
    """

    text: Annotated[Positional[str | None], arg(metavar="[TEXT]")] = None
    """What to look for; beside --image, how it is to differ from the image."""
    image: Annotated[Path | None, arg(metavar="FILE")] = None
    """An image like those to look for; beside TEXT, it is not shown itself."""
    without: Annotated[str | None, arg(metavar="TEXT")] = None
    """What is not wanted."""
    k: Annotated[int, arg(aliases=("-k",), metavar="N")] = 10
    """How many, at most."""
    min_score: Annotated[float | None, arg(metavar="S")] = None
    """The least cosine of what is shown; with --duplicates, 0.95 by default."""
    where: Annotated[str | None, arg(metavar="FILTER")] = None
    """A condition in SQL on path, kind, part, size, mtime, text, width or height, as in
    "kind = 'image' AND path LIKE '%/2024/%'"."""
    duplicates: bool = False
    """Instead of looking for something, group what is nearly the same."""
    json: bool = False
    """Write JSON lines, as when piped."""
    open: bool = False
    """Show what is found in a browser, too."""
    index: Annotated[Path | None, arg(metavar="DIR")] = None
    """Where the index lies; by default $E5V_INDEX, or among the user's application data."""
    model: Annotated[str | None, arg(metavar="M")] = None
    """A hub id or a folder; by default the one that the index was made with."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)

    def __post_init__(self) -> None:
        """Find what no index could answer."""
        asked = self.text is not None or self.image is not None
        if self.k < 1:
            raise ValueError(f"-k is {self.k}; expected at least 1")
        if self.duplicates and (asked or self.without or self.where):
            raise ValueError("--duplicates compares everything; leave out what to look for")
        if not self.duplicates and not asked:
            raise ValueError("nothing to look for; give TEXT, --image FILE, or --duplicates")


def search(verb: Search) -> None:
    """Show what is nearest to the query, nearest first.

    Raises:
        E5VError: there is no index, it was made with another model, or the query is at fault.
    """
    need("e5v search", *EXTRAS["search"])
    from e5v.search.index import Index
    from e5v.search.places import default_folder

    reader = Index.open(verb.index or default_folder())
    if verb.duplicates:
        groups = _duplicates(verb, reader)
        title = f"Nearly the same: {len(groups)} groups"
    else:
        groups = [_found(verb, reader)]
        like = f"like {verb.image.name}" if verb.image else ""
        without = f"without {verb.without}" if verb.without else ""
        title = " ".join(filter(None, [verb.text, like, without]))
    if wants_lines(json=verb.json):
        for number, group in enumerate(groups, 1):
            for hit in group:
                show_line(({"group": number} if verb.duplicates else {}) | _told(hit))
    else:
        show(groups)
    if verb.open:
        _open_page(title, groups)


def _duplicates(verb: Search, reader: "Reader") -> "list[Sequence[Hit]]":
    """Group what is alike; each is told with its cosine with the first of its group."""
    from e5v.search.index import Hit

    groups: list[Sequence[Hit]] = []
    for group in reader.duplicates(ALIKE if verb.min_score is None else verb.min_score):
        vectors = [reader.vector(entry.id) for entry in group]
        first = vectors[0]
        scores = [float(first @ one) for one in vectors if first is not None and one is not None]
        pairs = zip(group, scores, strict=True)
        groups.append([Hit(entry, min(score, 1.0)) for entry, score in pairs])
    return groups


def _found(verb: Search, reader: "Reader") -> "list[Hit]":
    from e5v.search.notice import notice
    from e5v.search.query import Ask, asked, example_of, facts_of, find

    ask = Ask(verb.text, verb.image, verb.without)
    if verb.image is not None and not verb.image.is_file():
        raise UsageError(f"--image {verb.image} does not exist; check the path")
    name = name_of_model(verb.model, reader.facts)
    model = opening_of(verb.opening, reader.facts).open(name)
    reader.facts.check(facts_of(model, name))
    if told := notice(name):
        say(told)
    try:
        vector, example = asked(model, ask), example_of(model, ask)
    except ItemError as error:
        raise UsageError(f"the query cannot be embedded: {error.cause}") from error
    return find(reader, vector, example, k=verb.k, where=verb.where, min_score=verb.min_score)


def _told(hit: "Hit") -> dict[str, object]:
    entry = hit.entry
    named = ("id", "path", "kind", "part", "text", "size", "mtime", "width", "height")
    return {"score": round(hit.score, 6)} | {name: getattr(entry, name) for name in named}


def show(groups: "Sequence[Sequence[Hit]]") -> None:
    """Show hits to a person: with pictures where the terminal can draw them, else as a table."""
    from rich.console import Console

    from e5v.verbs.terminal_pictures import protocol

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

    from e5v.verbs.terminal_pictures import open_small

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

    from e5v.verbs.search_page import Page, page

    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="e5v-search-", suffix=".html", delete=False
    ) as file:
        file.write(page(Page(title, groups)))
    say(f"wrote {file.name}")
    webbrowser.open(Path(file.name).as_uri())
