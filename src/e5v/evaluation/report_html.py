"""A report as one self-contained HTML page: no scripts, and no fonts or images from elsewhere.

Results -> figures with bars, the gap with its plane as SVG, data, setting -> HTML

The page (report.html.jinja, report.css) follows the reader's light or dark mode. The template
escapes all text; only the style sheet and our own SVG are inserted as they are.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from e5v.evaluation.report_plots import bars, plot
from e5v.evaluation.report_text import (
    cost,
    counted,
    duration,
    facts,
    gap_measures,
    numbered,
    percent,
    signed,
)
from e5v.evaluation.scores import BenchmarkRun, Figure, Results
from e5v.page_style import read_style


@dataclass(frozen=True)
class BenchmarkSection:
    """The figures of one benchmark, and its data, if known."""

    figures: Sequence[Figure]
    run: BenchmarkRun | None


def to_html(report: Results) -> str:
    """Write a report as one HTML page."""
    setting = report.setting
    runs, groups = {run.benchmark: run for run in setting.runs}, report.by_benchmark
    return _load_template().render(
        setting=setting,
        style=read_style("e5v.evaluation", "report.css"),
        tiles=_format_key_numbers(report),
        benchmarks={
            one: BenchmarkSection(groups.get(one, []), runs.get(one)) for one in {**groups, **runs}
        },
        gaps=report.gaps,
        measures=gap_measures(report.gaps.values()),
        facts=facts(setting),
        prompts={
            # as JSON, so that spaces and line breaks are visible
            name: json.dumps(wording, ensure_ascii=False)
            for name, wording in setting.prompts.items()
        },
    )


@cache
def _load_template() -> Template:
    environment = Environment(
        loader=PackageLoader("e5v.evaluation", ""),
        autoescape=True,
        trim_blocks=False,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.globals.update(
        bars=bars,
        plot=plot,
        cost=cost,
        counted=counted,
        percent=percent,
        signed=signed,
        number_notes=numbered,
        colour=_choose_colour,
    )
    return environment.get_template("report.html.jinja")


def _format_key_numbers(report: Results) -> dict[str, str]:
    """Write the numbers at the top of the page, by name."""
    runs, figures = report.setting.runs, report.figures
    alike = [one for one in figures if one.difference is not None and not one.note]
    reached = f"{sum(map(_reaches_paper, alike))} of {len(alike)}"
    return {
        "figures": f"{len(figures)}",
        **({"at or above the paper's, on its data": reached} if alike else {}),
        "items embedded": f"{sum(run.embedded for run in runs):,}",
        "embedding time": duration(sum(run.seconds for run in runs)),
    }


def _choose_colour(figure: Figure) -> str:
    """Return the class of a difference: coloured where the data are the paper's."""
    if figure.difference is None or figure.note:
        return ""
    return " above" if _reaches_paper(figure) else " below"


def _reaches_paper(figure: Figure) -> bool:
    """Return whether a figure, as printed, is at least the paper's."""
    return figure.difference is not None and round(figure.difference, 2) >= 0
