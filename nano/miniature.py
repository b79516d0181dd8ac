"""Writes docs/miniature.md: each table and figure of the paper, small, with the paper's beside it.

nano/results/*.json -> Findings -> claims, groups of queries -> miniature.md.jinja -> Markdown

    python -m nano.miniature

No number of ours is typed by hand, nor is a sentence that depends on one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tyro
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nano import findings as names
from nano.export import make_gallery
from nano.facts import facts
from nano.findings import (
    BOTH,
    EDITS,
    PAIRS,
    Findings,
    Record,
    Sample,
    Verdict,
    compare,
    read_findings,
)
from nano.scenes import Scene
from nano.study import GAP, RESULTS, SCENES, texts_of, write

FILE = GAP.with_name("miniature.md")
OURS, RIVAL = "text", "pairs"
COMPARED = ("base", OURS, RIVAL, "mixed")
KINDS = ("one", "count", "pair", "triple", "four")
CHANGES = ("object", "number", "order", "size", "background")  # the first of these that differs
Side = tuple[str, str, str]  # what it is called in the claim, its setting and its variant


def render(template: str, findings: Findings, **values: Any) -> str:
    """Fill in a Markdown template of this folder; what is None is left empty."""
    environment = Environment(
        autoescape=False,  # Markdown, of our own results
        finalize=lambda value: "" if value is None else value,
        keep_trailing_newline=True,
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"agreed": _agreed, "cell": _cell, "fixed": _fixed, "zip": zip}
    values |= {name: value for name, value in vars(names).items() if name.isupper()}
    values |= {"f": findings, "base": findings.first("base"), "text": findings.first("text")}
    return environment.get_template(template).render(values)


def write_card(findings: Findings) -> str:
    """Return the card of the bundled model; without results it says that nothing was measured."""
    return render("model_card.md.jinja", findings)


def write_miniature(findings: Findings) -> str:
    """Return the whole document."""
    if findings.first("base") is None:
        raise FileNotFoundError("no result of the setting base; make it with python -m nano.study")
    return render(
        "miniature.md.jinja",
        findings,
        COMPARED=COMPARED,
        judge_claims=partial(judge_claims, findings),
        groups=query_groups(findings),
    )


def judge_claims(
    findings: Findings, claims: Iterable[tuple[str, str, str, Side, Side]]
) -> list[Record]:
    """Judge the claims that there are results for: each says that one side is above the other.

    A claim is the paper's sentence, the name of a task and the task, and both sides. Its first
    metric decides, and the other stands beside it.
    """
    judged = []
    for paper, title, task, *sides in claims:
        figures = {
            metric: [
                findings.figure(setting, task, metric, variant) for _, setting, variant in sides
            ]
            for metric in (("Spearman",) if task == PAIRS else ("R@1", "R@5"))
        }
        left, right = next(iter(figures.values()))
        if left and right:
            (one, _, _), (other, _, _) = sides
            ours = (f"{name} {one} {a}, {other} {b}" for name, (a, b) in figures.items())
            told, verdict = f"{title}: {'; '.join(ours)}", compare(left, right)
            judged.append({"paper": paper, "ours": told, "verdict": verdict})
    return judged


@dataclass(frozen=True)
class Group:
    """R@1 of each setting of COMPARED over some of the queries, and where ours stands."""

    kind: str
    queries: int
    recalls: Sequence[Sample]
    verdict: Verdict


def query_groups(findings: Findings) -> tuple[list[Group], list[Group]] | None:
    """Group queries by what their scene holds, and edits by what they change.

    None if the results are not of the scenes that this repository holds.
    """
    base = findings.first("base")
    if base is None or base["of"]["scenes"] != texts_of(SCENES):
        return None
    if not {OURS, RIVAL} < findings.results.keys():
        return None
    gallery = make_gallery("test")
    held = [scene.kind for scene in gallery.scenes]
    asked = zip(gallery.queries, gallery.targets, strict=True)
    changed = [_kind_of_change(gallery.scenes[query.image], target) for query, target in asked]
    return _group(findings, BOTH, held, KINDS), _group(findings, EDITS, changed, CHANGES)


def _kind_of_change(before: Scene, after: Scene) -> str:
    differ = {fact.kind for fact in facts(before) ^ facts(after)}
    return next(kind for kind in CHANGES if kind in differ)


def _group(
    findings: Findings, task: str, kind_of: Sequence[str], kinds: Sequence[str]
) -> list[Group]:
    """Compare settings group by group; `kind_of` has the group of each query."""
    found = {name: findings.figure(name, task) for name in COMPARED}
    groups = []
    for kind in kinds:
        places = [place for place, one in enumerate(kind_of) if one == kind]
        recalls = {name: recall.only(places) for name, recall in found.items() if recall}
        verdict = compare(recalls[OURS], recalls[RIVAL])
        groups.append(Group(kind, len(places), list(recalls.values()), verdict))
    return groups


def _cell(text: str) -> str:
    """Return a text as it may stand in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _fixed(value: float | None, form: str) -> str | None:
    return None if value is None else form.format(value)


def _agreed(rows: Sequence[Record]) -> int:
    """Count the scenes whose image and caption have the same first word."""
    firsts = [[one[side][:1] for side in ("image says", "caption says")] for one in rows]
    return sum(
        bool(image and text) and image[0]["word"] == text[0]["word"] for image, text in firsts
    )


def main(results: Path = RESULTS, out: Path = FILE) -> None:
    """Write the document of a folder of results."""
    write(out, write_miniature(read_findings(results)))
    print(f"wrote {out}")  # noqa: T201


if __name__ == "__main__":
    tyro.cli(main)
