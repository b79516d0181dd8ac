"""All that a report says, gathered once and written in three formats.

Plan, outcomes -> findings, costs, words, gaps -> tables, claims, what is missing -> Page
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from e5v.evaluation.gap import Gap
from nano.findings import NO_PROMPT, ONE_WORD, PROMPT
from paper.bases import BASES
from paper.claims import COCO, Claim, make_claims
from paper.costs import EvaluationCost, TrainingCost, sum_evaluations, sum_trainings
from paper.findings import Findings, Side, read_findings
from paper.runner import Outcome, read_lines
from paper.settings import Numbers
from paper.stages import Plan
from paper.tables import Table, build_tables
from paper.ways import BASIC

GAPS = {f"untuned, {prompt}": Side("untuned", prompt) for prompt in (NO_PROMPT, PROMPT, ONE_WORD)}
GAPS |= {"tuned on texts, one word": Side("text")}
CHECKED = ("data", "base")  # stages whose commands print checks


@dataclass(frozen=True)
class Missing:
    """Something that was not run, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Check:
    """A check of data that was not passed."""

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
    deviations: Sequence[str]


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
        deviations=list(_list_deviations(plan, faults)),
    )


def _read_words(plan: Plan, done: set[str]) -> dict[str, list[dict[str, Any]]]:
    words: dict[str, list[dict[str, Any]]] = {}
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
        if one.job.stage not in CHECKED or one.job.label not in done:
            continue
        for line in read_lines(plan.out / "jobs" / f"{one.job.label}.out"):
            count += "passed" in line
            if line.get("passed") is False:  # of data: a base that fails its checks stops the run
                faults.append(Check(line["data"], line["check"], line["found"], line["expected"]))
    return faults, count


def _list_deviations(plan: Plan, faults: Sequence[Check]) -> Iterator[str]:
    """Say in what this run is not the paper's, so that its verdicts are not of the paper."""
    ours, papers = plan.numbers, Numbers()
    if (ours.steps, ours.batch) != (papers.steps, papers.batch):
        yield f"{ours.steps:,} steps of {ours.batch:,}, not {papers.steps:,} of {papers.batch:,}"
    others = [one.title for one in plan.used_bases if one.source != BASES[one.name].source]
    if others:
        yield f"other models in the place of {', '.join(others)}"
    if data := dict.fromkeys(one.of for one in faults):
        yield f"data that are not the published ones: {', '.join(data)}"


def _list_missing(plan: Plan, outcomes: Sequence[Outcome]) -> list[Missing]:
    """Name what has no job, what failed, and what needed that."""
    found = [
        Missing(one.title, plan.bases[one.base].missing)
        for one in plan.settings
        if plan.bases[one.base].missing
    ]
    if plan.layouts == (BASIC,) and any(one.whole and one.trained for one in plan.runnable):
        why = "Pillow has no raqm on this machine: install the libraries raqm and fribidi"
        found.append(Missing("captions drawn with raqm (Table 4)", why))
    failed = [one for one in outcomes if not one.is_done]
    return found + [Missing(one.job.label, one.reason) for one in failed]
