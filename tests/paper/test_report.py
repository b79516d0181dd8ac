"""The report of a run: complete, and honest about what is not there."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from e5v.evaluation.report import RANKS, ranks_to_json, to_json
from nano.kept import write
from paper.bases import BASES
from paper.jobs import Job
from paper.report import write_report
from paper.runner import Outcome
from paper.settings import SETTINGS, Numbers
from paper.stages import Plan, list_jobs
from tests.paper.found import make_evaluation

DONE = {"text-0": 0.8, "text-1": 0.82, "untuned": 0.4}
STEP = {"step": 1, "loss": 1.0, "tokens": 5000, "seconds": 1.5}


class Texts(HTMLParser):
    """Collects the texts of a page, and the tags that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Open a tag."""
        if tag not in {"meta", "img", "br", "path", "line", "rect", "circle"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last."""
        if tag not in {"path", "line", "rect", "circle"}:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.texts.append(data.strip())


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Return a plan whose evaluations of two settings are there, made up."""
    plan = Plan(tmp_path / "out", tmp_path / "data", tuple(SETTINGS), (0, 1), BASES)
    for label, share in DONE.items():
        made = make_evaluation(share, variant="one word" if label == "untuned" else "")
        folder = plan.evaluation(label)
        write(folder / "report.json", to_json(made.results))
        ranks = {
            (title, task): [[rank] for rank in own]
            for title, tasks in made.ranks.items()
            for task, own in tasks.items()
        }
        write(folder / RANKS, ranks_to_json(ranks))  # type: ignore[arg-type]  # lists do
        if label != "untuned":
            write(plan.out / "train" / label / "log.jsonl", json.dumps(STEP) + "\n")
    return plan


def _outcome(job: Job) -> Outcome:
    label = job.label.removeprefix("evaluate-").removeprefix("train-")
    if label in DONE:
        return Outcome(job, "made")
    return Outcome(job, "failed", "no room | <b>left</b>")


def test_a_report_says_what_is_there(plan: Plan) -> None:
    """Catches a report that needs all of it, or hides what is missing."""
    files = write_report(plan, [_outcome(job) for job in list_jobs(plan)])
    results = json.loads(files[0].read_text())
    row = next(one for one in results["tables"]["Table 1"] if one["title"] == "E5-V")
    assert row["ours"][0] == [80.0, 82.0]
    assert row["paper"][0] == 79.5
    assert results["costs"]["trainings"]["text"]["tokens"] == 5000
    missing = {one["name"]: one["reason"] for one in results["missing"]}
    assert missing["train-mixed-0"] == "no room | <b>left</b>"
    assert "transformers has no class" in missing["Phi-3-vision, untuned"]
    claims = {one["paper"]: one["says"] for one in results["claims"]}
    better = next(paper for paper in claims if "makes all of it better" in paper)
    assert claims[better] == "reproduced"
    assert "not measured" in claims.values()


def test_a_run_that_is_not_the_papers_says_so(plan: Plan) -> None:
    """Catches a claim refuted by two steps of training on another model."""
    other = replace(BASES["llama3"], source="small")
    few = replace(plan, numbers=Numbers(steps=2), bases={**BASES, "llama3": other})
    jobs = list_jobs(few)
    for one, warned in ((plan, False), (few, True)):
        page = write_report(one, [_outcome(job) for job in jobs])[2].read_text()
        assert ("Not the paper&#39;s run" in page or "Not the paper's run" in page) == warned
    assert "2 steps of 768, not 1,000 of 768; other models in the place of LLaVA-NeXT" in page


def test_a_page_shows_texts_as_texts(plan: Plan) -> None:
    """Catches a reason that is taken for markup, or a tag that is never closed."""
    files = write_report(plan, [_outcome(job) for job in list_jobs(plan)])
    page = Texts()
    page.feed(files[2].read_text())
    assert page.open == []
    assert "no room | <b>left</b>" in page.texts
    assert {f"Table {n}" for n in range(1, 9)} <= set(page.texts)
    assert {"81.0", "± 1.4", "+1.5"} <= set(page.texts)


def test_markdown_has_whole_tables(plan: Plan) -> None:
    """Catches a row with a cell too many, which Markdown shows as no table at all."""
    text = write_report(plan, [_outcome(job) for job in list_jobs(plan)])[1].read_text()
    for block in text.split("\n\n"):
        lines = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1, block
    assert "| **E5-V** | **81.0 ± 1.4** (79.5, +1.5) |" in text
