"""The parts of docs/miniature.md that compare trainings, and places where the vector is read.

Findings -> tables, and sentences that say who is ahead of whom
"""

from collections.abc import Iterable, Iterator

from nano.findings import (
    EDITS,
    IMAGES,
    NO_PROMPT,
    ONE_WORD,
    PAIRS,
    PROMPT,
    TEXTS,
    Findings,
    compare,
)
from nano.tables import Cell, table

READ = {ONE_WORD: "the last layer's state", "read at before-mlp": "before the last MLP"}


def both_ways(findings: Findings, setting: str, metric: str, variant: str = ONE_WORD) -> str | None:
    """Write a figure as the paper does: texts to images / images to texts."""
    found = [findings.figure(setting, task, metric, variant) for task in (IMAGES, TEXTS)]
    return None if None in found else " / ".join(map(str, found))


def trainings(findings: Findings) -> Iterator[str]:
    """Compare training on texts with training on images and texts."""
    names = (
        "base",
        "text",
        "text-plain",
        "pairs",
        "pairs-compute",
        "pairs-bare",
        "pairs-bare-compute",
        "mixed",
    )
    rows = [_training(findings, name) for name in names if name in findings.results]
    yield "## Table 7: text-only against image-text training\n"
    heads = ("", "R@1", "R@5", "composed R@1", "graded", "gap", "steps", "tokens", "CPU s")
    yield table(heads, rows)
    yield (
        "Recalls are texts to images / images to texts. CPU seconds are those of the whole "
        "command, opening the model included; at equal compute, image-text training has as many "
        "steps as it can make in the CPU time of text-only training. In the paper, text-only has "
        "95.0 / 98.7 R@5 on Flickr30K, 66.6 on CIRR and 86.0 on STS after 1.5 hours; image-text "
        "has 93.5 / 97.8, 35.5 and 72.7 after 34.9 hours. It never mixed the two. Three in "
        "ten of the world's rows are a caption and an edit, as texts, but for _text-only, no edits "
        "among the rows_, as the paper's NLI holds none; no picture ever comes with an edit.\n"
    )
    yield from _recovered(findings)
    rivals = ("pairs", "pairs-compute", "pairs-bare")
    yield from _against(findings, "text", (*rivals, "text-plain"))
    yield from _against(findings, "text-plain", rivals)
    yield from _against(findings, "mixed", ("text", "pairs"))


def _recovered(findings: Findings) -> Iterator[str]:
    """Say how much of the gain of image-text training there is without images."""
    told = []
    for what, task in (
        ("texts to images", IMAGES),
        ("images to texts", TEXTS),
        ("composed", EDITS),
    ):
        base, text, pairs = (
            findings.figure(name, task, "R@1") for name in ("base", "text", "pairs")
        )
        if base and text and pairs and compare(pairs, base) == "above":
            share = 100 * (text.mean - base.mean) / (pairs.mean - base.mean)
            told.append(f"{share:.0f} % ({what}: {base}, {text} and {pairs})")
    if told:
        yield (
            "Of what image-text training with hard negatives gains over the untuned base in R@1, "
            f"text-only training gains at equal steps {', '.join(told)}.\n"
        )


def _training(findings: Findings, name: str) -> tuple[Cell, ...]:
    took = [findings.took(name, what) for what in ("steps", "tokens", "cpu_seconds")]
    gap = findings.gap(name, "centroid_distance")
    return (
        findings.title(name),
        both_ways(findings, name, "R@1"),
        both_ways(findings, name, "R@5"),
        findings.figure(name, EDITS, "R@1"),
        findings.figure(name, PAIRS, "Spearman"),
        None if gap is None else f"{gap:.3f}",
        *(None if value is None else f"{value:,.0f}" for value in took),
    )


def _against(findings: Findings, name: str, others: Iterable[str]) -> Iterator[str]:
    """Say of one setting where it stands, against others, on retrieval and composed retrieval."""
    said = {"above": "ahead of", "below": "behind", "level": "not told apart from"}
    told = []
    for other in others:
        left, right = findings.both(name, "R@1"), findings.both(other, "R@1")
        first, second = (findings.figure(one, EDITS, "R@1") for one in (name, other))
        if left and right and first and second:
            told.append(
                f"{said[compare(left, right)]} _{findings.title(other)}_ on retrieval "
                f"({left} against {right}, R@1 of both ways), and "
                f"{said[compare(first, second)]} it on composed queries ({first} against {second})"
            )
    if told:
        yield f"_{findings.title(name).capitalize()}_ is {'; '.join(told)}.\n"


def _costless(findings: Findings, names: Iterable[str]) -> str:
    """Set settings under each other, without what they took."""
    rows = [_training(findings, name)[:6] for name in names]
    return table(("", "R@1", "R@5", "composed R@1", "graded", "gap"), rows)


def one_way(findings: Findings) -> Iterator[str]:
    """Say what the paper's own loss comes to, which does not ask for the way back."""
    asked = (("text", "text-one-way"), ("pairs", "pairs-one-way"))
    rivals = [pair for pair in asked if all(name in findings.results for name in pair)]
    if not rivals:
        return
    yield "## The paper's loss, and the way back\n"
    yield (
        "The paper asks each anchor for its own positive. All trainings here ask each positive for "
        "its own anchor as well, as CLIP does (`e5v train --symmetric`): so it was chosen on the "
        "validation split. What the paper's loss comes to:\n"
    )
    yield _costless(findings, [name for pair in rivals for name in pair])
    for name, other in rivals:
        yield from _against(findings, name, [other])


def faithful(findings: Findings) -> Iterator[str]:
    """Say what the bugs of the official script cost."""
    names = ("text", "faithful-template", "faithful-mask", "faithful")
    known = [name for name in names if name in findings.results]
    if len(known) < 2:  # noqa: PLR2004
        return
    yield "## The official script's two bugs\n"
    yield (
        "The released training code breaks its template (no special token of the chat turn "
        "survives, and another token is pooled than in use) and lets texts see their padding. "
        "What that costs was not published, as far as we know. All are asked alike afterwards, "
        "by the whole turn.\n"
    )
    yield _costless(findings, known)
    yield from _against(findings, known[0], known[1:])


def readouts(findings: Findings) -> Iterator[str]:
    """Say what vectors are worth that are read elsewhere."""
    rows = []
    for when, setting in (("untuned", "base"), ("text-only", "text")):
        base = findings.first(setting)
        labels = [] if base is None else list(base["scores"])
        for label in labels:
            if label in (NO_PROMPT, PROMPT):
                continue
            rows.append(
                (
                    when,
                    READ.get(label, label.replace("read at", "after layer")),
                    both_ways(findings, setting, "R@1", label),
                    findings.figure(setting, EDITS, "R@1", label),
                    findings.figure(setting, PAIRS, "Spearman", label),
                )
            )
    if len(rows) > 1:
        yield "## Where the vector is read\n"
        yield (
            "Later work reads before the last MLP, untrained (FreeRet, arXiv 2509.24621). Training "
            "always reads the last layer's state.\n"
        )
        yield table(("", "read", "R@1", "composed R@1", "graded"), rows)
