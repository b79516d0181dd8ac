"""A report to be told, the worst texts that it may hold, and how a table and a page are read."""

import io
import re
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
from rich.console import Console

from e5v.evaluation.gap import measure_gap
from e5v.evaluation.plane import Plane
from e5v.evaluation.report import print_table
from e5v.evaluation.scores import BenchmarkRun, Figure, Results, Setting

EVIL = "</style><script>alert('&\"')</script> [b]|`*_\n```"
NOTE = "data: 148 of 5,000 images"
VOID = {"meta", "rect", "line", "path"}  # tags that are never closed, or close themselves


def a_report() -> Results:
    """Make one: a benchmark on the paper's data and one on other data, and a gap."""
    random = np.random.default_rng(0)
    images, texts = random.standard_normal((2, 30, 8))
    pairs = np.stack([np.arange(30), np.arange(30)], axis=1)
    return Results(
        setting=Setting(
            model="an/embedder",
            fingerprint="f00dfeed",
            dtype="bfloat16",
            device="cuda: H100",
            readout="last token, last layer",
            turn="llama3, the paper's",
            prompts={"retrieval": "<text>\nSummary above sentence in one word: ", "sts": " <text>"},
            paper="E5-V, tuned on text",
            versions={"e5v": "0.1.0", "torch": "2.13.0"},
            runs=(
                BenchmarkRun(
                    "COCO 5K",
                    "hit rate both ways",
                    "abc123",
                    {"images": 148, "captions": 740},
                    888,
                    0,
                    185.2,
                    (NOTE,),
                ),
                BenchmarkRun("STS12", "Spearman", "SentEval", {"pairs": 3108}, 0, 6216, 0.0),
            ),
            when="2026-01-02T03:04:05+00:00",
            tiling="transformers-4.41",
        ),
        figures=(
            Figure("COCO 5K", "image retrieval", "R@1", 61.25, 52.0, NOTE),
            Figure("COCO 5K", "image retrieval", "R@5", 80.0, None, NOTE),
            Figure("STS12", "similarity", "Spearman", 80.53, 80.03),
            Figure("STS13", "similarity", "Spearman", 89.44, 89.94),
            Figure("STS14", "similarity", "Spearman", None, 85.67),
        ),
        gaps={"COCO 5K": measure_gap(images, texts + 1, pairs)},
    )


def spoilt(value: Any) -> Any:
    """Put the worst text in place of every text in a record."""
    if isinstance(value, str):
        return EVIL
    if isinstance(value, dict):
        return {
            EVIL if isinstance(given, str) else key: spoilt(given) for key, given in value.items()
        }
    if isinstance(value, tuple):
        return tuple(spoilt(one) for one in value)
    if is_dataclass(value) and not isinstance(value, (type, Plane)):
        return replace(
            value, **{field.name: spoilt(getattr(value, field.name)) for field in fields(value)}
        )
    return value


def as_printed(report: Results, width: int = 120) -> str:
    """Print the table of a report as on a terminal without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_table(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def cells_of(line: str) -> list[str]:
    """Part a row of a table in Markdown."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


class Reader(HTMLParser):
    """Reads a page: its tags, whether they are closed in order, and its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag, and that it is open."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that closes itself."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the last tag, which must be this."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text that is shown."""
        if "style" not in self.open:
            self.text.append(data)


def read_page(page: str) -> Reader:
    """Read a page that closes all its tags."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader
