"""The help of a verb, and that of all: plain text that fits a terminal of 80 columns.

a record's docstring, and tyro's list of options -> without boxes and empty defaults -> text
"""

import inspect
import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

WIDEST = 100  # columns
DEFAULT = re.compile(r"\s*\(default:\s*(?:None|False|\{\})?\s*\)")
TITLES = {"positional arguments": "Arguments", "options": "Options"}


def list_verbs(verbs: Mapping[str, type[Any]], *, head: str, foot: str) -> str:
    """Return the help of the command line: a line for each verb, by its docstring's first line."""
    width = max(map(len, verbs)) + 2
    lines = [
        f"  {name:<{width}}{inspect.getdoc(record) or ''}".splitlines()[0].rstrip(".")
        for name, record in verbs.items()
    ]
    return "\n".join([head, "", *lines, "", foot, ""])


def plain_help(record: type[Any], name: str, shown: str) -> str:
    """Return the help of a verb from its docstring and from what tyro shows of its options."""
    usage = next((line for line in shown.splitlines() if line.startswith("usage:")), "")
    positional = usage.partition("] ")[2]
    positional = re.sub(r"\[[A-Z]+ OPTIONS\]", "", positional).strip()
    head = " ".join(filter(None, [f"usage: e5v {name} [OPTIONS]", positional]))
    return "\n\n".join([head, *_paragraphs(record), _listed(shown).strip()]) + "\n"


def _paragraphs(record: type[Any]) -> Iterator[str]:
    """Wrap the docstring's paragraphs; what is indented stays as it is."""
    width = min(shutil.get_terminal_size().columns, WIDEST)
    for paragraph in (inspect.getdoc(record) or "").split("\n\n"):
        indented = any(line.startswith(" ") for line in paragraph.splitlines())
        yield paragraph if indented else textwrap.fill(paragraph, width, break_on_hyphens=False)


def _listed(shown: str) -> str:
    """Take the boxes away from tyro's lists of options, and defaults that say nothing."""
    lines = []
    for line in shown.splitlines():
        if title := re.match(r"[╭+][─-]+ (.+?) [─-]+[╮+]$", line):
            lines += ["", f"{_title(title[1])}:"]
        elif inner := re.match(r"[│|] (.*?)\s*[│|]$", line):
            lines.append("" if set(inner[1]) <= {"─", "-"} else f"  {inner[1]}")
    text = DEFAULT.sub("", "\n".join(lines))
    return re.sub(r"\n\n(?=  \S)", "\n", text)


def _title(title: str) -> str:
    """Name a group of options by its record alone: "recipe.adapter options" is of the adapter."""
    group = title.rpartition(".")[2]
    return TITLES.get(group, group.capitalize())
