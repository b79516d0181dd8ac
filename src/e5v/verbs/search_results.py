"""How hits are shown: JSON lines, a table or pictures in a terminal, or a page in a browser.

groups of hits -> JSON lines for a program | a table, or pictures with a line each | an HTML page
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from e5v.search.entries import CAPTURED
from e5v.verbs.console import say, show_line

if TYPE_CHECKING:
    from rich.console import Console

    from e5v.search.entries import Hit
    from e5v.verbs.terminal_images import Draw

LONGEST = 120  # characters of a caption in a table


FIELDS: tuple[str, ...] = ("id", "path", "kind", "part", "text", "size", "mtime", "width", "height")
FIELDS += CAPTURED


@dataclass(frozen=True)
class Found:
    """What was found, in groups, and a title for it; `grouped` if the groups have numbers."""

    title: str
    groups: "Sequence[Sequence[Hit]]"
    grouped: bool = False


def show_lines(found: Found) -> None:
    """Write hits as JSON lines on stdout."""
    for number, group in enumerate(found.groups, 1):
        for hit in group:
            show_line(({"group": number} if found.grouped else {}) | _fields(hit))


def _fields(hit: "Hit") -> dict[str, object]:
    entry = hit.entry
    fields = {name: getattr(entry, name) for name in FIELDS}
    return {"score": round(hit.score, 6), "match": hit.match} | fields


def show(groups: "Sequence[Sequence[Hit]]") -> None:
    """Show hits to a person: with pictures where the terminal can draw them, else as a table."""
    Display().show(groups)


@dataclass(frozen=True)
class Display:
    """A terminal that hits are shown on; if they are `numbered`, each has its number first."""

    numbered: bool = False

    def show(self, groups: "Sequence[Sequence[Hit]]") -> None:
        """Show groups of hits."""
        from rich.console import Console

        console = Console(highlight=False)
        if not any(groups):
            console.print("Nothing was found.")
            return
        pictured = any(hit.entry.thumbnail for hits in groups for hit in hits)
        for hits in groups:
            if note := note_on(hits):
                console.print(note)
            if pictured and self._draw:
                _show_pictures(console, hits, self._draw, numbered=self.numbered)
            else:
                console.print(_table(hits, numbered=self.numbered))

    @cached_property
    def _draw(self) -> "Draw | None":
        """How the terminal draws pictures; it is asked once."""
        from e5v.verbs.terminal_images import protocol

        return protocol(os.environ)


def note_on(hits: "Sequence[Hit]") -> str:
    """Return what to say of hits of which none is close to the query; "" if one may be."""
    if not hits or any(hit.match != "none" for hit in hits):
        return ""
    return "Nothing close was found; these are the nearest."


def _table(hits: "Sequence[Hit]", *, numbered: bool) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    if numbered:
        table.add_column("", justify="right")
    table.add_column("score", justify="right")
    rated = any(hit.match for hit in hits)
    if rated:
        table.add_column("match")
    table.add_column("path", overflow="fold")
    table.add_column("caption")
    for number, hit in enumerate(hits, 1):
        first = [str(number)] if numbered else []
        match = [hit.match or ""] if rated else []
        cells = [*first, f"{hit.score:.3f}", *match]
        style = "dim" if hit.match in {"weak", "none"} else None
        table.add_row(*cells, Text(_place(hit)), Text(_caption(hit)), style=style)
    return table


def _show_pictures(
    console: "Console", hits: "Sequence[Hit]", draw: "Draw", *, numbered: bool
) -> None:
    from rich.text import Text

    from e5v.verbs.terminal_images import open_small

    for number, hit in enumerate(hits, 1):
        head = f"{number}  " if numbered else ""
        match = f"  {hit.match}" if hit.match else ""
        score = (f"{hit.score:.3f}{match}", "bold")
        console.print(Text.assemble(head, score, f"  {_place(hit)}"))
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


def open_page(found: Found) -> None:
    """Show hits as a page in the browser."""
    import tempfile
    import webbrowser

    from e5v.verbs.search_page import PageGroup, SearchPage, render_search_page

    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="e5v-search-", suffix=".html", delete=False
    ) as file:
        file.write(
            render_search_page(
                SearchPage(found.title, [PageGroup(hits, note_on(hits)) for hits in found.groups])
            )
        )
    say(f"wrote {file.name}")
    webbrowser.open(Path(file.name).as_uri())
