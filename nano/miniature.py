"""Writes docs/miniature.md: each table and figure of the paper, small, with the paper's beside it.

nano/results/*.json -> Findings -> sections, each if its results are there -> Markdown

    python -m nano.miniature

Nothing in the document is typed by hand: numbers come from the results, and so do the sentences
that depend on them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nano.claims import claims
from nano.findings import (
    EDITS,
    IMAGES,
    NO_PROMPT,
    ONE_WORD,
    PAIRS,
    PROMPT,
    TEXTS,
    Findings,
    Sample,
    read_findings,
)
from nano.miniature_scenes import scenes
from nano.miniature_tales import cost, english, measured, words
from nano.miniature_trainings import both_ways, faithful, one_way, readouts, trainings
from nano.study import GAP, RESULTS, write
from nano.tables import table

FILE = GAP.with_name("miniature.md")

READS = 10  # percent: a base that finds fewer images by drawn captions cannot read

INTRO = """# The paper in miniature

E5-V's argument, rerun on a model of {parameters:.1f} million parameters that was made from nothing,
and on scenes of emoji that it was not trained on. `runs/nano.sh` does all of it again; this
document is written by `python -m nano.miniature` from `nano/results`.

Read the numbers with this in mind. "Untuned" means: no contrastive training. The base model was
trained on this very kind of scene, and being asked for one word, of a caption and of an image, was
a task of that training, as it was not of LLaVA-NeXT's. The paper's figures stand beside ours to
show what is compared, not because the data are alike: theirs are photographs, ours are drawings,
and chance is 1 in {candidates} here. Every choice of steps and rates was made on a validation split
that holds other combinations.

Figures are in percent; R@1 is how often the right one comes first. ± is the standard
deviation over the seeds of the tuning, up to {seeds}, on one base; where there is none, there was
one seed, or nothing was tuned. A difference is called one if it is more than twice its standard
error, of queries and seeds together; all are asked the same queries, so recalls are compared query
by query. Of a single seed, the spread is not known, and is not in that error.
"""


def write_miniature(findings: Findings) -> str:
    """Return the whole document."""
    base = findings.first("base")
    if base is None:
        raise FileNotFoundError("no result of the setting base; make it with python -m nano.study")
    retrieval = base["scores"][ONE_WORD]["figures"][IMAGES]
    seeds = max(len(results) for results in findings.results.values())
    intro = INTRO.format(
        parameters=base["parameters"] / 1e6, candidates=retrieval["candidates"], seeds=seeds
    )
    sections = [intro, *(text for section in SECTIONS for text in section(findings))]
    return "\n".join(sections)


def _verdicts(findings: Findings) -> Iterator[str]:
    judged = list(claims(findings))
    if not judged:
        return
    held = sum(one.holds is True for one in judged)
    failed = sum(one.holds is False for one in judged)
    yield "## What reproduces, and what does not\n"
    yield (
        f"Of {len(judged)} claims of the paper, {held} reproduce, {failed} do not, and "
        f"{len(judged) - held - failed} cannot be told apart at this size. "
        "Retrieval is judged by R@1: by R@5, which the paper gives, all that were asked for one "
        "word are so near to 100 % that they hardly differ. Both are told.\n"
    )
    yield table(("The paper", "Here", ""), [(one.papers, one.ours, one.verdict) for one in judged])


def _overview(findings: Findings) -> Iterator[str]:
    """Tables 1, 2, 4 and 5: what the tuned model can do."""
    rows = []
    papers: tuple[tuple[str, str, Callable[[str], Sample | None], str], ...] = (
        (
            "1",
            "texts to images, R@1",
            lambda one: findings.figure(one, IMAGES, "R@1"),
            "79.5 Flickr30K, 52.0 COCO",
        ),
        (
            "1",
            "images to texts, R@1",
            lambda one: findings.figure(one, TEXTS, "R@1"),
            "88.2 Flickr30K, 62.0 COCO",
        ),
        (
            "2",
            "composed, R@1",
            lambda one: findings.figure(one, EDITS, "R@1"),
            "33.9 CIRR test",
        ),
        (
            "4",
            "captions drawn as images, R@1",
            lambda one: findings.extra(one, "lettered", IMAGES, "R@1"),
            "67.8 Flickr30K, 41.2 COCO",
        ),
        ("5", "graded captions, Spearman", lambda one: findings.figure(one, PAIRS, "Spearman"), ""),
        (
            "5",
            "STS-B, Spearman",
            lambda one: findings.extra(one, "sts", "STSBenchmark", "Spearman"),
            "87.9",
        ),
        (
            "",
            "art style never trained on (OpenMoji), texts to images, R@1",
            lambda one: findings.extra(one, "style", IMAGES, "R@1"),
            "",
        ),
    )
    for number, what, figure, paper in papers:
        if figure("base") is not None:
            rows.append((number, what, figure("base"), figure("text"), figure("pairs"), paper))
    yield "## Tables 1 to 5: what comes out\n"
    heads = ("Table", "", "untuned", "text-only", "image-text", "E5-V")
    yield table(heads, rows)
    read = findings.extra("base", "lettered", IMAGES, "R@1")
    if read and read.mean < READS:
        yield (
            "This base cannot read, so captions drawn as images are marks to it: its stages show "
            "it no writing unless they are told to (`--letters`), which takes longer to learn than "
            "2 cores have.\n"
        )
    yield (
        "Table 3 (FashionIQ) is composed retrieval again, and Table 8 (other MLLMs) would need "
        "other bases: neither has a miniature.\n"
    )


def _prompts(findings: Findings) -> Iterator[str]:
    papers = (
        ("untuned", "base", NO_PROMPT, "none", "8.9 / 4.1", "7.4", "58.5", "9.2"),
        ("", "base", PROMPT, 'without "in one word"', "22.4 / 5.5", "1.2", "57.5", "10.3"),
        ("", "base", ONE_WORD, "one word", "82.8 / 90.4", "38.4", "75.8", "61.9"),
        (
            "tuned with it",
            "text-no-prompt",
            NO_PROMPT,
            "none",
            "91.8 / 94.6",
            "31.6",
            "84.1",
            "68.2",
        ),
        (
            "",
            "text-prompt",
            PROMPT,
            'without "in one word"',
            "93.5 / 96.6",
            "62.3",
            "85.1",
            "75.6",
        ),
        ("", "text", ONE_WORD, "one word", "95.0 / 98.7", "66.6", "86.0", "80.7"),
    )
    rows = [
        (
            when,
            says,
            both_ways(findings, setting, "R@1", variant),
            both_ways(findings, setting, "R@5", variant),
            findings.figure(setting, EDITS, "R@1", variant),
            findings.figure(setting, PAIRS, "Spearman", variant),
            *papers_own,
        )
        for when, setting, variant, says, *papers_own in papers
        if findings.both(setting, "R@5", variant)
    ]
    yield "## Table 6: prompts\n"
    heads = (
        "",
        "prompt",
        "R@1",
        "R@5",
        "composed R@1",
        "graded",
        "Flickr30K",
        "CIRR",
        "STS",
        "mean of 11",
    )
    yield table(heads, rows)
    yield (
        "Recalls are texts to images / images to texts. The last four columns are the paper's, "
        "with R@5 for Flickr30K and CIRR.\n"
    )


def _gap(findings: Findings) -> Iterator[str]:
    shown = (
        ("untuned, no prompt", "base", NO_PROMPT),
        ('untuned, without "in one word"', "base", PROMPT),
        ("untuned, one word", "base", ONE_WORD),
        ("text-only, one word", "text", ONE_WORD),
        ("image-text, one word", "pairs", ONE_WORD),
        ("both mixed, one word", "mixed", ONE_WORD),
    )
    measures = (
        ("centroid_distance", 1, "{:.3f}"),
        ("separability", 100, "{:.1f} %"),
        ("texts_near_images", 100, "{:.1f} %"),
        ("images_near_texts", 100, "{:.1f} %"),
        ("cosine_true", 1, "{:.3f}"),
        ("cosine_others", 1, "{:.3f}"),
    )
    rows = []
    for name, setting, variant in shown:
        values = [findings.gap(setting, measure, variant) for measure, _, _ in measures]
        if None not in values:
            cells = zip(values, measures, strict=True)
            rows.append((name, *(form.format(times * (v or 0)) for v, (_, times, form) in cells)))
    yield "## Figure 3: the modality gap\n"
    yield f"![Images and texts under three settings]({GAP.name})\n"
    yield (
        "As the paper draws it: the first two singular vectors, not centred. The paper gives no "
        "numbers; these are ours. Separability is how many held-out vectors a plane tells right "
        "(50 % if they are mixed); then the share of texts among the 10 nearest of an image, and "
        "of images among those of a text (about half of each if there is no gap).\n"
    )
    heads = (
        "",
        "centroids apart",
        "separability",
        "texts near an image",
        "images near a text",
        "cosine of pairs",
        "of others",
    )
    yield table(heads, rows)


SECTIONS: Sequence[Callable[[Findings], Iterator[str]]] = (
    _verdicts,
    _overview,
    _prompts,
    _gap,
    trainings,
    scenes,
    one_way,
    faithful,
    readouts,
    words,
    cost,
    english,
    measured,
)


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
