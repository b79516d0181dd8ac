"""Writes what a run found: results.json, report.md and report.html in its folder.

Plan, outcomes -> findings, costs, words, gaps -> tables, claims -> Page -> three files

No number of ours is typed by hand. What was not run is named, with why.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.machine import describe_machine, describe_versions
from e5v.evaluation.gap import Gap
from e5v.evaluation.report_plots import plot
from e5v.evaluation.report_text import duration, gap_measures, signed
from nano.findings import NO_PROMPT, ONE_WORD, PROMPT
from nano.kept import write
from nano.templates import fill_in
from paper.claims import COCO, Claim, make_claims
from paper.costs import EvaluationCost, TrainingCost, sum_evaluations, sum_trainings
from paper.findings import Findings, Side, read_findings
from paper.runner import Outcome, read_lines
from paper.stages import EXAMPLES, Plan
from paper.tables import Cell, Row, Table, build_tables
from photos.figures import make_thumbnail

VERDICTS = {
    "above": "reproduced",
    "below": "not reproduced",
    "level": "cannot be told",
    None: "not measured",
}
GAPS = {f"untuned, {prompt}": Side("untuned", prompt) for prompt in (NO_PROMPT, PROMPT, ONE_WORD)}
GAPS |= {"tuned on texts, one word": Side("text")}


@dataclass(frozen=True)
class Missing:
    """Something that was not run, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Check:
    """A check that was not passed: of data or of a base."""

    of: str
    name: str
    found: str
    expected: str


@dataclass(frozen=True)
class Page:
    """All that a report says."""

    plan: Plan
    findings: Findings
    tables: Sequence[Table]
    claims: Sequence[Claim]
    trainings: dict[str, TrainingCost]
    evaluations: Sequence[EvaluationCost]
    gaps: dict[str, Gap]
    words: dict[str, list[dict[str, Any]]]
    missing: Sequence[Missing]
    faults: Sequence[Check]
    checks: int


def make_page(plan: Plan, outcomes: Sequence[Outcome]) -> Page:
    """Gather what a report says."""
    done = {one.job.label for one in outcomes if one.is_done}
    findings = read_findings(plan, done)
    trainings = sum_trainings(plan, done)
    gaps = {title: findings.gap(side, COCO) for title, side in GAPS.items()}
    faults, checks = _read_checks(plan, done, outcomes)
    return Page(
        plan=plan,
        findings=findings,
        tables=build_tables(findings),
        claims=make_claims(findings, trainings),
        trainings=trainings,
        evaluations=sum_evaluations(plan, findings),
        gaps={title: gap for title, gap in gaps.items() if gap},
        words=_read_words(plan, done),
        missing=list(_list_missing(plan, outcomes)),
        faults=faults,
        checks=checks,
    )


def _read_words(plan: Plan, done: set[str]) -> dict[str, list[dict[str, Any]]]:
    words = {}
    for setting, _, label in plan.labelled:
        if f"words-{label}" in done:
            file = plan.out / "words" / f"{label}.json"
            words.setdefault(setting.title, json.loads(file.read_text(encoding="utf-8")))
    return words


def _read_checks(
    plan: Plan, done: set[str], outcomes: Sequence[Outcome]
) -> tuple[list[Check], int]:
    """Return the checks of data and bases that were not passed, and how many there were."""
    faults, count = [], 0
    for one in outcomes:
        if not one.job.checks or one.job.label not in done:
            continue
        for line in read_lines(plan.out / "jobs" / f"{one.job.label}.out"):
            count += 1
            if not line["passed"]:
                of = line.get("data", one.job.label.removeprefix("verify-"))
                name = line.get("check", line.get("name", ""))
                found = line.get("found", line.get("figure", ""))
                expected = line.get("expected", line.get("limit", ""))
                faults.append(Check(of, name, str(found), str(expected)))
    return faults, count


def _list_missing(plan: Plan, outcomes: Sequence[Outcome]) -> list[Missing]:
    """Name what has no job, what failed, and what needed that."""
    found = [
        Missing(one.title, plan.bases[one.base].missing)
        for one in plan.settings
        if plan.bases[one.base].missing
    ]
    failed = [one for one in outcomes if not one.is_done]
    return found + [Missing(one.job.label, one.reason) for one in failed]


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
        "trainings": {name: asdict(one) for name, one in page.trainings.items()},
        "evaluations": [asdict(one) for one in page.evaluations],
        "machine": asdict(describe_machine()),
        "versions": describe_versions(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    numbers = asdict(page.plan.numbers) | {"seeds": page.plan.seeds}
    return {
        "settings": [one.name for one in page.plan.settings],
        "numbers": numbers,
        "tables": {
            one.layout.name: [_describe_row(row) for row in one.rows] for one in page.tables
        },
        "claims": [asdict(one) | {"says": VERDICTS[one.verdict]} for one in page.claims],
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
    told = sum(one.verdict in {"above", "below"} for one in page.claims)
    return {
        "page": page,
        "tables": page.tables,
        "verdicts": VERDICTS,
        "reproduced": f"{reproduced} of {len(page.claims)}",
        "refuted": str(told - reproduced),
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
    style = files("e5v.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    own = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    more = {"style": style + own, "plot": plot, "thumbnail": _make_data_uri}
    return environment.get_template("report.html.jinja").render(values | more)


def _make_data_uri(image: str) -> str:
    """Return a small copy of a photo, as it stands in a page."""
    data = b64encode(make_thumbnail(EXAMPLES / "images" / image)).decode()
    return f"data:image/jpeg;base64,{data}"
