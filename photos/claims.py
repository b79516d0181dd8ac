"""The paper's claims beside what was measured: each reproduces, does not, or cannot be told.

results of two sides, the same queries -> nano.findings.compare -> Claim
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nano.findings import (
    BOTH,
    EDITS,
    NO_PROMPT,
    ONE_WORD,
    PROMPT,
    Findings,
    Verdict,
    compare,
)

STS = "STSBenchmark"
DEMO = "demo"  # what stands in the place of a variant for the demo photos
NARROWER = 0.9  # of a distance that counts as narrowed
MIXED = 0.6  # share told right up to which images and texts count as mixed
METRICS = {BOTH: ("R@1", "R@5"), EDITS: ("R@1", "R@5"), STS: ("Spearman",)}
TITLES = {BOTH: "mean of both ways", EDITS: "composed queries", STS: "STS-B"}


@dataclass(frozen=True)
class Side:
    """One side of a comparison: what it is called, of which result and variant."""

    title: str
    setting: str
    variant: str = ONE_WORD


@dataclass(frozen=True)
class Question:
    """What the paper says of two sides: on which task the first is ahead of the second."""

    paper: str
    task: str
    one: Side
    other: Side


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, what was measured here, and how the two stand."""

    paper: str
    ours: str
    verdict: Verdict


UNASKED = Side("no prompt", "base", NO_PROMPT)
SUMMARISED = Side("without", "base", PROMPT)
UNTUNED = Side("untuned", "base")
TUNED = Side("tuned", "text")
WORD, TUNED_WORD = Side("one word", "base"), Side("one word", "text")
QUESTIONS = (
    Question(
        "Untuned, one word is far better than no prompt (Table 6: 61.9 against 9.2)",
        BOTH,
        WORD,
        UNASKED,
    ),
    Question("... and for texts (Table 6, STS: 75.8 against 58.5)", STS, WORD, UNASKED),
    Question(
        'Untuned, it is "in one word" that does it (Table 6: 61.9 against 10.3 without)',
        BOTH,
        WORD,
        SUMMARISED,
    ),
    Question("... and for texts (Table 6, STS: 75.8 against 57.5)", STS, WORD, SUMMARISED),
    Question(
        "Tuning on texts alone makes photographs better (Table 6, Flickr30K: 82.8/90.4 becomes "
        "95.0/98.7)",
        BOTH,
        TUNED,
        UNTUNED,
    ),
    Question(
        "... and composed queries (Table 6, CIRR: 38.4 becomes 66.6)",
        EDITS,
        Side("tuned", "text", DEMO),
        Side("untuned", "base", DEMO),
    ),
    Question("... and texts (Table 6, STS: 75.8 becomes 86.0)", STS, TUNED, UNTUNED),
    Question(
        "Tuned, one word is still better than no prompt (Table 6: 80.7 against 68.2)",
        BOTH,
        TUNED_WORD,
        Side("no prompt", "no-prompt", NO_PROMPT),
    ),
    Question(
        'Tuned, it is still better than without "in one word" (Table 6: 80.7 against 75.6)',
        BOTH,
        TUNED_WORD,
        Side("without", "prompt", PROMPT),
    ),
)


def make_claims(findings: Findings) -> list[Claim]:
    """Return the claims of the paper that the results speak of."""
    return [*_compare_sides(findings), *_measure_gap(findings)]


def stand(findings: Findings, one: Side, other: Side, task: str = BOTH) -> Verdict | None:
    """Compare two sides on a task, by its first metric."""
    metric = METRICS[task][0]
    left, right = (
        findings.figure(side.setting, task, metric, side.variant) for side in (one, other)
    )
    return compare(left, right) if left and right else None


def _compare_sides(findings: Findings) -> Iterator[Claim]:
    for asked in QUESTIONS:
        verdict = stand(findings, asked.one, asked.other, asked.task)
        if verdict:
            yield Claim(asked.paper, _tell(findings, asked), verdict)


def _tell(findings: Findings, asked: Question) -> str:
    """Write both sides by every metric of the task."""
    told = []
    for metric in METRICS[asked.task]:
        sides = [
            f"{side.title} {findings.figure(side.setting, asked.task, metric, side.variant)}"
            for side in (asked.one, asked.other)
        ]
        told.append(f"{metric} {', '.join(sides)}")
    return f"{TITLES[asked.task]}: {'; '.join(told)}"


def _measure_gap(findings: Findings) -> Iterator[Claim]:
    """Judge Figure 3, which the paper draws of the untuned model and gives no numbers for."""
    before, after = (
        findings.gap("base", "centroid_distance", one) for one in (NO_PROMPT, ONE_WORD)
    )
    apart = findings.gap("base", "separability")
    if before is None or after is None or apart is None:
        return
    yield Claim(
        "The one-word prompt narrows the modality gap (Figure 3)",
        f"distance of the centroids: {before:.2f} without a prompt, {after:.2f} with it",
        "above" if after < NARROWER * before else "below",
    )
    yield Claim(
        "... and removes it (Figure 3, to the eye)",
        f"with the prompt, a plane tells {100 * apart:.0f} % of held-out vectors right "
        "(50 % if they are mixed)",
        "above" if apart < MIXED else "below",
    )
