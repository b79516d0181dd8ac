"""What was found, as one HTML page that needs nothing beside itself.

groups of hits -> cards with thumbnails inside -> search_page.html.jinja -> a file for a browser
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from e5v.media.locations import split_place
from e5v.page_style import read_style
from e5v.verbs.plain_text import to_plain_text

if TYPE_CHECKING:
    from e5v.search.entries import Hit


@dataclass(frozen=True)
class PageGroup:
    """Hits that are shown together, and a note on them, which may be empty."""

    hits: "Sequence[Hit]"
    note: str = ""


@dataclass(frozen=True)
class SearchPage:
    """A title, and what was found, in groups."""

    title: str
    groups: Sequence[PageGroup]


@dataclass(frozen=True)
class HitCard:
    """One hit as the page shows it; `thumbnail` is base64, and empty for a text."""

    url: str
    thumbnail: str
    text: str
    score: str
    match: str
    source: str


@dataclass(frozen=True)
class CardGroup:
    """The cards of a group, and the note on them."""

    cards: Sequence[HitCard]
    note: str


def render_search_page(page: SearchPage) -> str:
    """Return the HTML of a page."""
    style = read_style("e5v.verbs", "search_page.css")
    groups = [CardGroup([_make_card(hit) for hit in one.hits], one.note) for one in page.groups]
    return _load_template().render(title=page.title, style=style, groups=groups)


@cache
def _load_template() -> Template:
    environment = Environment(
        loader=PackageLoader("e5v.verbs", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("search_page.html.jinja")


def _make_url(path: str) -> str:
    """Return the URL of an entry's file, which opens at its place."""
    file, place = split_place(path)
    return f"{Path(file).as_uri()}#{place}" if place else Path(file).as_uri()


def _make_card(hit: "Hit") -> HitCard:
    entry = hit.entry
    return HitCard(
        url=_make_url(entry.path),
        thumbnail=base64.b64encode(entry.thumbnail).decode(),
        text=to_plain_text(entry.text, entry.path),
        score=f"{hit.score:.3f}",
        match=hit.match or "",
        source=f"{entry.path} · {entry.part}" if entry.kind == "text" else entry.path,
    )
