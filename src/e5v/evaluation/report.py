"""A report's formats: terminal, JSON, Markdown, and the page of e5v.evaluation.report_html.

Report -> table
       -> report.json, report.md, report.html, gap.png, each written completely or not at all
       -> ranks.json: of every query, the rank of its best true candidate
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e5v.evaluation.gap import Gap
from e5v.evaluation.metrics import Places
from e5v.evaluation.plane import Plane, draw_planes
from e5v.evaluation.report_html import to_html
from e5v.evaluation.report_text import (
    cost,
    counted,
    facts,
    gap_measures,
    numbered,
    percent,
    signed,
)
from e5v.evaluation.scores import BenchmarkRun, Figure, Results, Setting
from e5v.files import write_file
from e5v.places import local_path

if TYPE_CHECKING:
    from rich.console import Console

RANKS = "ranks.json"
POINT = re.compile(r"\[\n *(-?[\d.e-]+),\n *(-?[\d.e-]+)\n *\]")  # strings have no raw line break
MARKUP = re.compile(r"[|\\`*_\[\]<>#&~$]")  # characters that Markdown interprets


@dataclass(frozen=True)
class Report:
    """What an evaluation found; `str(report)` is its table.

    `results` has everything that report.json has. `files` are those for test servers (CIRR, CIRCO),
    their text by name. `ranks` has the ranks of the true candidates of each query of a search, from
    0 and ascending, by names of benchmark and task: two models can be compared query by query.
    """

    results: Results
    files: Mapping[str, str] = field(default_factory=dict)
    ranks: Mapping[tuple[str, str], Sequence[Places]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def scores(self) -> tuple[Figure, ...]:
        """The scores as records, in percent, each beside the paper's where there is one."""
        return self.results.figures

    @property
    def gaps(self) -> Mapping[str, Gap]:
        """The measured modality gaps by the name of the benchmark."""
        return self.results.gaps

    def table(self, console: "Console | None" = None) -> None:
        """Print the scores beside the paper's, on the terminal by default."""
        from rich.console import Console

        print_table(self.results, console or Console())

    def write(self, folder: str | Path) -> list[Path]:
        """Write report.json, .md and .html, gap.png if a gap was measured, and `files`.

        With `ranks`, ranks.json has by benchmark and task the rank of each query's best true
        candidate, from 0.

        Args:
            folder: made if it is missing; files of an earlier report are replaced.

        Returns:
            The paths of `files`.

        Raises:
            OSError: the folder or a file cannot be written.
            UsageError: the folder is a URL.
        """
        target = local_path(folder, "folder")
        write_report(self.results, target)
        if self.ranks:
            write_file(target / RANKS, ranks_to_json(self.ranks))
        for name, content in self.files.items():
            write_file(target / name, content)
        return [target / name for name in self.files]

    def __str__(self) -> str:
        """Return the table as text of 120 columns, without colours."""
        from rich.console import Console

        console = Console(file=StringIO(), width=120, color_system=None)
        self.table(console)
        return console.file.getvalue() if isinstance(console.file, StringIO) else ""


def ranks_to_json(ranks: Mapping[tuple[str, str], Sequence[Places]]) -> str:
    """Write the rank of each query's best true candidate, from 0, by benchmark and task."""
    best: dict[str, dict[str, list[int]]] = {}
    for (benchmark, task), places in ranks.items():
        best.setdefault(benchmark, {})[task] = [int(one[0]) for one in places]
    return json.dumps(best, ensure_ascii=False, separators=(",", ":")) + "\n"


def print_table(report: Results, console: "Console") -> None:
    """Print the figures beside the paper's, their notes, and the measured gaps."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    notes = numbered(report.figures)
    figures = Table("benchmark", "task", "metric", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("ours", "paper", "difference", "note"):
        figures.add_column(name if notes or name != "note" else "", justify="right", no_wrap=True)
    for benchmark, group in report.by_benchmark.items():
        figures.add_section()
        for place, figure in enumerate(group):
            first, mark = benchmark if place == 0 else "", _format_mark(figure, notes)
            figures.add_row(
                *map(Text, (first, figure.task, figure.metric, *_format_numbers(figure), mark))
            )
    if report.figures:
        console.print(figures)
    for note, number in notes.items():
        console.print(Text(f"[{number}] {note}"))
    if report.gaps:
        measures = Table(box=SIMPLE_HEAD, pad_edge=False)
        measures.add_column("modality gap", no_wrap=True)
        for name in report.gaps:
            measures.add_column(Text(name), justify="right")
        measures.add_column("")
        for measure in gap_measures(report.gaps.values()):
            measures.add_row(measure.name, *map(Text, measure.values), measure.meaning)
        console.print(measures)


def _format_mark(figure: Figure, notes: Mapping[str, int]) -> str:
    return f"[{notes[figure.note]}]" if figure.note else ""


def _format_numbers(figure: Figure) -> tuple[str, str, str]:
    paper = "" if figure.paper is None else percent(figure.paper)
    return percent(figure.value), paper, signed(figure.difference)


def to_json(report: Results) -> str:
    """Write a report as JSON; a point of the gap's plane takes one line."""
    written = json.dumps(asdict(report), indent=2, ensure_ascii=False, allow_nan=False)
    return POINT.sub(r"[\1, \2]", written) + "\n"


def from_json(written: str) -> Results:
    """Read what `to_json` wrote."""
    report = json.loads(written)
    setting = report["setting"]
    runs = tuple(BenchmarkRun(**run | {"notes": tuple(run["notes"])}) for run in setting["runs"])
    return Results(
        setting=Setting(**setting | {"runs": runs}),
        figures=tuple(Figure(**figure) for figure in report["figures"]),
        gaps={
            name: Gap(**gap | {"plane": _read_plane(gap["plane"])})
            for name, gap in report["gaps"].items()
        },
    )


def _read_plane(plane: dict[str, Any]) -> Plane:
    images, texts = (tuple((x, y) for x, y in plane[kind]) for kind in ("images", "texts"))
    first, second = plane["shares"]
    return Plane(images, texts, (first, second))


def to_markdown(report: Results) -> str:
    """Write a report as Markdown, with gap.png beside it."""
    setting = report.setting
    figures = [
        (figure.benchmark, figure.task, figure.metric, *_format_numbers(figure), figure.note)
        for figure in report.figures
    ]
    runs = [
        (run.benchmark, run.protocol, run.revision, counted(run), cost(run), "; ".join(run.notes))
        for run in setting.runs
    ]
    numbered = ("benchmark", "task", "metric", "ours", "paper", "difference", "note")
    blocks = [
        f"# {_escape(setting.model)}",
        _format_table(numbered, figures),
        *(_format_gaps(report.gaps) if report.gaps else ()),
        "## Data and cost",
        _format_table(("benchmark", "protocol", "revision", "data", "items", "notes"), runs),
        "## Setting",
        _format_table(("", ""), list(facts(setting).items())),
        "Prompts by name:",
        # JSON escapes line breaks in strings, so no wording can close the fence.
        f"```json\n{json.dumps(dict(setting.prompts), indent=2, ensure_ascii=False)}\n```",
    ]
    return "\n\n".join(blocks) + "\n"


def _format_gaps(gaps: Mapping[str, Gap]) -> tuple[str, ...]:
    measures = [
        (measure.name, *measure.values, measure.meaning) for measure in gap_measures(gaps.values())
    ]
    return (
        "## Modality gap",
        _format_table(("", *map(_escape, gaps), ""), measures),
        "![images and texts in the plane of their first two singular vectors](gap.png)",
    )


def _format_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table; columns of numbers are right-aligned."""
    right = {"ours", "paper", "difference"}
    rule = ["---:" if name in right else "---" for name in names]
    written = [names, rule, *([_escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in written)


def _escape(text: str) -> str:
    """Escape text for Markdown, on one line."""
    return MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def write_report(report: Results, folder: Path) -> None:
    """Write report.json, report.md, report.html, and gap.png if a gap was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    if report.gaps:
        planes = {name: gap.plane for name, gap in report.gaps.items()}
        write_file(folder / "gap.png", draw_planes(planes))
    for name, write in (("json", to_json), ("md", to_markdown), ("html", to_html)):
        write_file(folder / f"report.{name}", write(report))
