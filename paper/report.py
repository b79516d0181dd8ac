"""Writes what a run found: results.json, report.md and report.html in its folder.

Plan, outcomes -> Page -> three files

No number of ours is typed by hand. What was not run is named, with why.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.machine import describe_machine, describe_versions
from e5v.evaluation.report_plots import plot
from e5v.evaluation.report_text import duration, gap_measures, signed
from e5v.page_style import read_style
from nano.kept import write
from nano.templates import fill_in
from paper.claims import Claim
from paper.page import Page, make_page
from paper.runner import Outcome
from paper.stages import EXAMPLES, Plan
from paper.tables import Cell, Row
from photos.figures import make_thumbnail

VERDICTS = {
    "above": "reproduced",
    "below": "not reproduced",
    "level": "cannot be told",
    None: "not measured",
}


def write_report(plan: Plan, outcomes: Sequence[Outcome]) -> list[Path]:
    """Write the three files of a report; return their paths."""
    page = make_page(plan, outcomes)
    values = _make_values(page)
    made = {
        "results.json": json.dumps(describe(page), indent=1, ensure_ascii=False) + "\n",
        "report.md": fill_in(Path(__file__).parent, "report", values),
        "report.html": _write_html(values),
    }
    for name, text in made.items():
        write(plan.out / name, text)
    return [plan.out / name for name in made]


def describe(page: Page) -> dict[str, Any]:
    """Return what results.json has. What depends on the clock is under "costs" alone."""
    costs = {
        "claims": [_describe_claim(one) for one in page.claims if one.timed],
        "trainings": {name: asdict(one) for name, one in page.trainings.items()},
        "evaluations": [asdict(one) for one in page.evaluations],
        "machine": asdict(describe_machine()),
        "versions": describe_versions(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    numbers = asdict(page.plan.numbers) | {"seeds": page.plan.seeds}
    return {
        "settings": [one.name for one in page.plan.settings],
        "mixtures": {one.name: one.mixture for one in page.plan.settings if one.mixture},
        "numbers": numbers,
        "tables": {
            one.layout.name: [_describe_row(row) for row in one.rows] for one in page.tables
        },
        "claims": [_describe_claim(one) for one in page.claims if not one.timed],
        "figures": list(page.findings.figures()),
        "gaps": {
            title: {key: value for key, value in asdict(gap).items() if key != "plane"}
            for title, gap in page.gaps.items()
        },
        "words": page.words,
        "missing": [asdict(one) for one in page.missing],
        "failed checks": [asdict(one) for one in page.faults],
        "costs": costs,
    }


def _describe_claim(claim: Claim) -> dict[str, Any]:
    values = asdict(claim)
    del values["timed"]
    return values | {"says": VERDICTS[claim.verdict]}


def _describe_row(row: Row) -> dict[str, Any]:
    return {
        "title": row.title,
        "ours": [one.ours and list(one.ours.values) for one in row.cells],
        "paper": [one.paper for one in row.cells],
        "verdicts": [one.verdict for one in row.cells],
    }


def _make_values(page: Page) -> dict[str, Any]:
    """Return what the templates are filled in with."""
    reproduced = sum(one.verdict == "above" for one in page.claims)
    refuted = sum(one.verdict == "below" for one in page.claims)
    measured = sum(one.verdict is not None for one in page.claims)
    return {
        "page": page,
        "tables": page.tables,
        "verdicts": VERDICTS,
        "reproduced": f"{reproduced} of {measured}",
        "refuted": str(refuted),
        "near": _count_near(page),
        "measures": gap_measures(page.gaps.values()),
        "machine": describe_machine(),
        "ours": format_ours,
        "paper": format_paper,
        "signed": lambda cell, decimals: format_difference(cell, decimals),
        "duration": duration,
        "seeds": ", ".join(map(str, page.plan.seeds)),
        "devices": sorted(_list_devices(page)),
    }


def _count_near(page: Page) -> str:
    """Count the figures that cannot be told apart from the paper's, or are above them."""
    cells = [cell for table in page.tables for row in table.rows for cell in row.cells]
    judged = [cell.verdict for cell in cells if cell.verdict]
    return f"{sum(one != 'below' for one in judged)} of {len(judged)}"


def _list_devices(page: Page) -> set[str]:
    settings = [one.results.setting for own in page.findings.evaluations.values() for one in own]
    return {f"{one.device}, {one.dtype}" for one in settings}


def format_ours(cell: Cell, decimals: int) -> str:
    """Write a figure of ours with as many decimals as the paper's, and its spread over seeds."""
    if cell.ours is None:
        return ""
    spread = cell.ours.spread
    more = "" if spread is None else f" ± {spread:.{decimals}f}"
    return f"{cell.ours.mean:.{decimals}f}{more}"


def format_paper(cell: Cell, decimals: int) -> str:
    """Write a figure of the paper."""
    return "" if cell.paper is None else f"{cell.paper:.{decimals}f}"


def format_difference(cell: Cell, decimals: int) -> str:
    """Write how far ours is above the paper's."""
    if cell.difference is None:
        return ""
    written = f"{cell.difference:+.{decimals}f}"
    return written if written.strip("+-0.") else signed(0.0)


def _write_html(values: dict[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        autoescape=True,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    own = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    more = {
        "style": read_style("e5v.evaluation", "report.css") + own,
        "plot": plot,
        "thumbnail": _make_data_uri,
    }
    return environment.get_template("report.html.jinja").render(values | more)


def _make_data_uri(image: str) -> str:
    """Return a small copy of a photo, as it stands in a page."""
    data = b64encode(make_thumbnail(EXAMPLES / "images" / image)).decode()
    return f"data:image/jpeg;base64,{data}"
