"""Fills in the Markdown templates of the studies.

FOLDER/NAME.md.jinja + values -> Markdown; what both studies say alike is in nano/verdicts.jinja
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def fill_in(folder: Path, name: str, values: Mapping[str, Any]) -> str:
    """Fill in a Markdown template of a folder; what is None is left empty."""
    environment = Environment(
        autoescape=False,  # Markdown, of our own results
        finalize=lambda value: "" if value is None else value,
        keep_trailing_newline=True,
        loader=FileSystemLoader([folder, Path(__file__).parent], encoding="utf-8"),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"cell": _cell, "fixed": _fixed, "zip": zip}
    return environment.get_template(f"{name}.md.jinja").render(values)


def _cell(text: str) -> str:
    """Return a text as it may stand in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _fixed(value: float | None, form: str) -> str | None:
    return None if value is None else form.format(value)
