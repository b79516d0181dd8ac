"""Writes docs/miniature.md: each table and figure of the paper, small, with the paper's beside it.

nano/results/*.json -> Findings -> claims, rows and sentences -> miniature.md.jinja -> Markdown

    python -m nano.miniature

No number of ours is typed by hand, nor is a sentence that depends on one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nano import findings as names
from nano.claims import judge_claims
from nano.export import make_gallery
from nano.facts import facts
from nano.findings import (
    EDITS,
    IMAGES,
    TEXTS,
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
SHOWN_WORDS = 2
OURS, RIVAL = "text", "pairs"
COMPARED = ("base", OURS, RIVAL, "mixed")
STANDINGS: Mapping[Verdict, tuple[str, str]] = {
    "above": ("ahead of", "ahead on"),
    "below": ("behind", "behind on"),
    "level": ("not told apart from", "not told apart on"),
}
KINDS = {
    "one": "one thing",
    "count": "several of one kind",
    "pair": "two things",
    "triple": "three things",
    "four": "four things",
}
CHANGES = {  # the first of these that differs
    "object": "which things there are",
    "number": "how many",
    "order": "what is where",
    "size": "how large",
    "background": "the background",
}


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
    environment.filters |= FILTERS
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
        claims=list(judge_claims(findings)),
        recovered_shares=recovered_shares,
        standings=standings,
        query_groups=query_groups,
    )


def recovered_shares(findings: Findings) -> list[str]:
    """Say how much of the gain of image-text training text-only training has, by task."""
    shares = []
    tasks = {"texts to images": IMAGES, "images to texts": TEXTS, "composed": EDITS}
    for what, task in tasks.items():
        base, text, pairs = (findings.figure(name, task, "R@1") for name in COMPARED[:3])
        if base and text and pairs and compare(pairs, base) == "above":
            share = 100 * (text.mean - base.mean) / (pairs.mean - base.mean)
            shares.append(f"{share:.0f} % ({what}: {base}, {text} and {pairs})")
    return shares


def standings(findings: Findings, name: str, others: Iterable[str]) -> Iterator[str]:
    """Say where a setting stands against others, on retrieval and on composed retrieval."""
    parts = []
    for other in others:
        left, right = findings.both(name, "R@1"), findings.both(other, "R@1")
        first, second = (findings.figure(one, EDITS, "R@1") for one in (name, other))
        if left and right and first and second:
            parts.append(
                f"{STANDINGS[compare(left, right)][0]} _{findings.title(other)}_ on retrieval "
                f"({left} against {right}, R@1 of both ways), and "
                f"{STANDINGS[compare(first, second)][0]} it on composed queries "
                f"({first} against {second})"
            )
    if parts:
        yield f"_{findings.title(name).capitalize()}_ is {'; '.join(parts)}."


@dataclass(frozen=True)
class Groups:
    """R@1 of several settings by group of queries, and where ours stands in which group."""

    titles: list[str]
    rows: list[tuple[object, ...]]
    summary: str


def query_groups(findings: Findings) -> tuple[Groups, Groups] | None:
    """Group queries by what their scene holds, and edits by what they change.

    None if the results are not of the scenes that this repository holds.
    """
    known = [name for name in COMPARED if name in findings.results]
    base = findings.first("base")
    if base is None or base["of"]["scenes"] != texts_of(SCENES) or not {OURS, RIVAL} < {*known}:
        return None
    gallery = make_gallery("test")
    kinds = [scene.kind for scene in gallery.scenes]
    asked = zip(gallery.queries, gallery.targets, strict=True)
    changes = [_kind_of_change(gallery.scenes[query.image], target) for query, target in asked]
    both = {name: findings.both(name, "R@1") for name in known}
    edits = {name: findings.figure(name, EDITS, "R@1") for name in known}
    return _grouped(findings, both, kinds, KINDS), _grouped(findings, edits, changes, CHANGES)


def _kind_of_change(before: Scene, after: Scene) -> str:
    differ = {fact.kind for fact in facts(before) ^ facts(after)}
    return next(kind for kind in CHANGES if kind in differ)


def _grouped(
    findings: Findings,
    recalls: Mapping[str, Sample | None],
    kinds: Sequence[str],
    titles: Mapping[str, str],
) -> Groups:
    """Compare settings group by group; `kinds` has the group of each query."""
    known = {name: recall for name, recall in recalls.items() if recall}
    rows: list[tuple[object, ...]] = []
    standing: dict[Verdict, list[str]] = {}
    for kind, title in titles.items():
        places = [place for place, one in enumerate(kinds) if one == kind]
        parts = {name: recall.only(places) for name, recall in known.items()}
        rows.append((title, len(places), *parts.values()))
        standing.setdefault(compare(parts[OURS], parts[RIVAL]), []).append(title)
    told = [
        f"{STANDINGS[one][1]} {', '.join(standing[one])}" for one in STANDINGS if one in standing
    ]
    ours, rival = (findings.title(name) for name in (OURS, RIVAL))
    summary = f"_{ours.capitalize()}_ beside _{rival}_: {'; '.join(told)}."
    return Groups([findings.title(name) for name in known], rows, summary)


def _cell(text: str) -> str:
    """Return a text as it may stand in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _fixed(value: float | None, form: str) -> str | None:
    return None if value is None else form % value


def _thousands(value: float | None) -> str | None:
    return None if value is None else f"{value:,.0f}"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _words(words: Sequence[Record]) -> str:
    return ", ".join(f"{one['word']} ({one['probability']:.2f})" for one in words[:SHOWN_WORDS])


def _agreed(rows: Sequence[Record]) -> int:
    """Count the scenes whose image and caption have the same first word."""
    firsts = [[one[side][:1] for side in ("image says", "caption says")] for one in rows]
    return sum(
        bool(image and text) and image[0]["word"] == text[0]["word"] for image, text in firsts
    )


FILTERS: dict[str, Callable[..., Any]] = {
    "agreed": _agreed,
    "cell": _cell,
    "fixed": _fixed,
    "share": _share,
    "thousands": _thousands,
    "words": _words,
    "zip": zip,
}


def main() -> None:
    """Write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=FILE)
    given = parser.parse_args()
    write(given.out, write_miniature(read_findings(given.results)))
    print(f"wrote {given.out}")  # noqa: T201


if __name__ == "__main__":
    main()
