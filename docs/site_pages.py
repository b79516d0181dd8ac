"""The parts of the docs that are written from the source, so that they cannot fall behind it.

public names -> mkdocstrings | help of each verb -> text | OpenAPI -> http.md.jinja -> tables
docstring of each file -> the plan of the rooms, which docs/architecture.md keeps, for readers on
the code host; a test compares, and `python -m docs.site_pages` writes it anew

MkDocs calls `on_page_markdown` for every page; a page has a comment where its part goes.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import e5v
from e5v import cli

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

DOCS = Path(__file__).parent
SOURCE = DOCS.parent / "src" / "e5v"
ARCHITECTURE = DOCS / "architecture.md"
PLAN = re.compile(r"(?<=<!-- plan -->\n).*(?=<!-- end of plan -->)", re.DOTALL)
ROOMS = (
    *("verbs", "web", "databases", "training", "evaluation", "search", "checkpoints"),
    *("data", "parts", "media", "model", "stores"),
)
PLAIN_FILES = {  # what is not Python, by folder: it has no docstring
    "assets/nano": "the bundled model: base, adapter and model card",
    "assets/photos": "what photos has in the package: adapter, class names and settings",
    "assets/page": "colours and fonts of the page, of saved results and of reports",
    "assets/fonts": "the font of captions that are drawn as images",
    "web/page": "the page: HTML, CSS and plain JavaScript modules, without a build",
}
SUFFIXES = {
    ".jinja": "the template of {name}",
    ".css": "the style sheet of {name}",
    ".typed": "says that the package has types",
}


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Put the parts that are written from the source into a page of the site."""
    for mark, write in PARTS.items():
        if f"<!-- {mark} -->" in markdown:
            markdown = markdown.replace(f"<!-- {mark} -->", write())
    return markdown


def list_public_names() -> str:
    """Return what mkdocstrings reads: every public name, the class and the functions first."""
    names = [name for name in e5v.__all__ if name != "__version__"]
    names.sort(key=lambda name: name.endswith(("Error", "Warning")))
    return "\n\n".join(f"::: e5v.{name}" for name in names)


def list_help() -> str:
    """Return the help of every verb."""
    sections = []
    for verb in cli.VERBS:
        shown = io.StringIO()
        with redirect_stdout(shown), suppress(SystemExit):
            cli.main([verb, "--help"])
        sections.append(f"## e5v {verb}\n\n```text\n{shown.getvalue().strip()}\n```\n")
    return "\n".join(sections)


def describe_http() -> str:
    """Return every route of the server, from its OpenAPI description."""
    from e5v.web.api_description import describe_api
    from e5v.web.app import create_app
    from e5v.web.index_view import Collection
    from e5v.web.service import Settings

    environment = Environment(
        loader=FileSystemLoader(DOCS / "reference"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, not HTML
    )
    environment.filters["cell"] = escape_cell
    with TemporaryDirectory() as folder:
        app = create_app(Collection(Path(folder), e5v.E5V("nano")), Settings())
        api = describe_api(app.openapi())
    return environment.get_template("http.md.jinja").render(api=api)


def escape_cell(text: str) -> str:
    """Escape a text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def write_plan() -> str:
    """Return the tables of docs/architecture.md: one for each room, a line for each file."""
    rooms: dict[str, list[str]] = {}
    for path in sorted(SOURCE.rglob("*")):
        relative = path.relative_to(SOURCE)
        room = relative.parts[0] if len(relative.parts) > 1 else ""
        if path.is_file() and room != "assets" and "__pycache__" not in relative.parts:
            rooms.setdefault(room, []).extend(_write_row(relative))
    tables = [_write_table(room, rooms[room]) for room in sorted(rooms, key=_sort_rooms)]
    plain = [f"| `src/e5v/{path}/` | {about} |" for path, about in PLAIN_FILES.items()]
    return (
        "\n".join([*tables, "### Other files\n\n| Folder | What it has |\n|---|---|", *plain])
        + "\n"
    )


def _sort_rooms(room: str) -> int:
    """Order the rooms from the command line down to the ground."""
    return (*ROOMS, "").index(room)


def _write_table(room: str, rows: list[str]) -> str:
    """Write the table of one room, titled by the docstring of its `__init__.py`."""
    if not room:
        return "\n".join(["### The ground\n\n| File | What it does |\n|---|---|", *rows, ""])
    about = _read_purpose(SOURCE / room / "__init__.py")
    return "\n".join([f"### {room}\n\n{about}\n\n| File | What it does |\n|---|---|", *rows, ""])


def _write_row(relative: Path) -> Iterator[str]:
    if relative.parent.as_posix() in PLAIN_FILES or relative.parts[1:] == ("__init__.py",):
        return
    if relative.suffix == ".py":
        about = _read_purpose(SOURCE / relative)
    else:
        about = SUFFIXES[relative.suffix].format(name=f"`{relative.name.partition('.')[0]}`")
    yield f"| `src/e5v/{relative.as_posix()}` | {about} |"


def _read_purpose(path: Path) -> str:
    """Return the first line of a file's docstring."""
    written = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return written.split("\n\n")[0].replace("\n", " ")


PARTS: dict[str, Callable[[], str]] = {
    "public names": list_public_names,
    "help of each verb": list_help,
    "routes": describe_http,
}

if __name__ == "__main__":
    kept = ARCHITECTURE.read_text(encoding="utf-8")
    ARCHITECTURE.write_text(PLAN.sub(lambda _: write_plan(), kept), encoding="utf-8")
