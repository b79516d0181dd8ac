"""A report's faces: terminal, JSON, Markdown, and the page of e5v.evaluation.report_page.

Report -> table
       -> report.json, report.md, report.html, gap.png, each whole or not at all
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e5v.evaluation.figures import Figure, Report, Run, Setting
from e5v.evaluation.gap import Gap
from e5v.evaluation.plane import Plane, draw_plane
from e5v.evaluation.report_page import to_html
from e5v.evaluation.report_words import cost, counted, facts, gap_measures, percent, signed
from e5v.evaluation.writing import write_file

if TYPE_CHECKING:
    from rich.console import Console

POINT = re.compile(r"\[\n *(-?[\d.e-]+),\n *(-?[\d.e-]+)\n *\]")  # no text has a bare line break
MARKUP = re.compile(r"[|\\`*_\[\]<>#&~$]")  # what Markdown reads as more than itself


def table(report: Report, console: "Console") -> None:
    """Print the figures beside the paper's, and the gap if it was measured."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    figures = Table("benchmark", "task", "metric", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("ours", "paper", "difference"):
        figures.add_column(name, justify="right", no_wrap=True)
    figures.add_column("note")
    for benchmark, group in report.by_benchmark.items():
        figures.add_section()
        for place, figure in enumerate(group):
            first = benchmark if place == 0 else ""
            figures.add_row(*map(Text, (first, figure.task, figure.metric, *_numbers(figure))))
    console.print(figures)
    if report.gap:
        measures = Table("modality gap", "", "", box=SIMPLE_HEAD, pad_edge=False)
        for measure in gap_measures(report.gap):
            measures.add_row(measure.name, Text(measure.value, justify="right"), measure.meaning)
        console.print(measures)


def _numbers(figure: Figure) -> tuple[str, str, str, str]:
    paper = "" if figure.paper is None else percent(figure.paper)
    return percent(figure.value), paper, signed(figure.difference), figure.note


def to_json(report: Report) -> str:
    """Write a report as JSON; a point of the gap's plane takes one line."""
    written = json.dumps(asdict(report), indent=2, ensure_ascii=False, allow_nan=False)
    return POINT.sub(r"[\1, \2]", written) + "\n"


def from_json(written: str) -> Report:
    """Read what `to_json` wrote."""
    report = json.loads(written)
    setting, gap = report["setting"], report["gap"]
    runs = tuple(Run(**run | {"notes": tuple(run["notes"])}) for run in setting["runs"])
    return Report(
        setting=Setting(**setting | {"runs": runs}),
        figures=tuple(Figure(**figure) for figure in report["figures"]),
        gap=Gap(**gap | {"plane": _plane(gap["plane"])}) if gap else None,
    )


def _plane(plane: dict[str, Any]) -> Plane:
    images, texts = (tuple((x, y) for x, y in plane[kind]) for kind in ("images", "texts"))
    first, second = plane["shares"]
    return Plane(images, texts, (first, second))


def to_markdown(report: Report) -> str:
    """Write a report as Markdown, with gap.png beside it."""
    setting = report.setting
    figures = [
        (figure.benchmark, figure.task, figure.metric, *_numbers(figure))
        for figure in report.figures
    ]
    runs = [
        (run.benchmark, run.revision, counted(run), cost(run), "; ".join(run.notes))
        for run in setting.runs
    ]
    numbered = ("benchmark", "task", "metric", "ours", "paper", "difference", "note")
    blocks = [
        f"# {_plain(setting.model)}",
        _table(numbered, figures),
        *(_gap_blocks(report.gap) if report.gap else ()),
        "## Data and cost",
        _table(("benchmark", "revision", "data", "items", "differs from the paper's"), runs),
        "## Setting",
        _table(("", ""), list(facts(setting).items())),
        "Prompts by name:",
        # A line break of JSON's stands between any two quotes, so no wording can close the fence.
        f"```json\n{json.dumps(dict(setting.prompts), indent=2, ensure_ascii=False)}\n```",
    ]
    return "\n\n".join(blocks) + "\n"


def _gap_blocks(gap: Gap) -> tuple[str, ...]:
    measures = [(measure.name, measure.value, measure.meaning) for measure in gap_measures(gap)]
    return (
        f"## Modality gap of {gap.images:,} images and {gap.texts:,} texts",
        _table(("", "", ""), measures),
        "![images and texts in the plane of their first two singular vectors](gap.png)",
    )


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table; columns of numbers stand to the right."""
    right = {"ours", "paper", "difference"}
    rule = ["---:" if name in right else "---" for name in names]
    written = [names, rule, *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in written)


def _plain(text: str) -> str:
    """Write text so that Markdown reads it as it is, on one line."""
    return MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def write_report(report: Report, folder: Path) -> None:
    """Write report.json, report.md, report.html, and gap.png if the gap was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    if report.gap:
        write_file(folder / "gap.png", draw_plane(report.gap.plane))
    for name, write in (("json", to_json), ("md", to_markdown), ("html", to_html)):
        write_file(folder / f"report.{name}", write(report).encode())
