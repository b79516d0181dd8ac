"""What was found, as one HTML page that needs nothing beside itself.

groups of hits -> HTML with thumbnails inside -> a file to open in a browser
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from e5v.search.entries import Hit

STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.25rem; font-weight: 600; overflow-wrap: anywhere; }
section { display: grid; gap: 1rem; margin: 1.5rem 0; padding: 0;
  grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); }
section + section { border-top: 1px solid #8886; padding-top: 1.5rem; }
a { color: inherit; text-decoration: none; display: flex; flex-direction: column;
  border: 1px solid #8884; border-radius: 8px; overflow: hidden; }
a:hover, a:focus-visible { border-color: #38f; outline: none; }
img { width: 100%; height: 12rem; object-fit: contain; background: #8881; }
p { margin: 0; padding: .6rem .8rem 0; overflow-wrap: anywhere; white-space: pre-line;
  overflow: hidden; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 8; }
small { padding: .4rem .8rem .7rem; opacity: .7; overflow-wrap: anywhere; margin-top: auto; }
b { font-weight: 600; font-variant-numeric: tabular-nums; }
"""


@dataclass(frozen=True)
class Page:
    """A title, and what was found, in groups."""

    title: str
    groups: "Sequence[Sequence[Hit]]"


def page(content: Page) -> str:
    """Return the HTML of a page."""
    title = escape(content.title)
    groups = "\n".join(
        f"<section>\n{''.join(map(_card, group))}</section>" for group in content.groups
    )
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n"
        f"{groups or '<p>Nothing was found.</p>'}\n</html>\n"
    )


def _card(hit: "Hit") -> str:
    entry = hit.entry
    data = base64.b64encode(entry.thumbnail).decode()
    picture = f'<img src="data:image/webp;base64,{data}" alt="">' if data else ""
    words = f"<p>{escape(entry.text)}</p>" if entry.text else ""
    part = f" · {entry.part}" if entry.kind == "text" else ""
    score = f"<b>{hit.score:.3f}</b>"
    place = escape(Path(entry.path).as_uri(), quote=True)
    small = f"<small>{score} {escape(entry.path)}{part}</small>"
    return f'<a href="{place}">{picture}{words}{small}</a>\n'
