"""Claims of the paper, and whether the results support them.

Findings -> two figures for each claim -> Claim: what the paper says, what came out here, a verdict
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nano.findings import EDITS, NO_PROMPT, ONE_WORD, PAIRS, PROMPT, Findings, Sample, compare

NARROWER = 0.9  # share of the distance, below which a gap counts as narrowed
CLOSED = 0.6  # share of held-out vectors a plane classifies right, below which there is no gap
NEARLY_ALL = 90  # percent of a cost that is saved
VERDICTS = {True: "reproduces", False: "**does not reproduce**", None: "cannot be told"}

BOTH, GRADED, COMPOSED = "mean of both ways", "graded pairs", "composed retrieval"
PLAIN, BARE = "text-plain", "pairs-bare"  # no edits among its rows; no hard negatives, as the paper
UNEDITED, UNAIDED = "text-only without edits", "image-text without hard negatives"

# The claim, what is measured, then name, setting and variant of the two that are compared. The
# claim says that the first is above the second.
COMPARISONS = (
    (
        "Untuned, one word is far better than no prompt (Table 6: 61.9 against 9.2)",
        BOTH,
        ("one word", "base", ONE_WORD),
        ("no prompt", "base", NO_PROMPT),
    ),
    (
        'Untuned, it is "in one word" that does it (Table 6: 61.9 against 10.3 without)',
        BOTH,
        ("one word", "base", ONE_WORD),
        ("without", "base", PROMPT),
    ),
    (
        "Tuning on text alone makes images better "
        "(Table 6, Flickr30K: 82.8/90.4 becomes 95.0/98.7)",
        BOTH,
        ("tuned", "text", ONE_WORD),
        ("untuned", "base", ONE_WORD),
    ),
    (
        "... and composed queries (Table 6, CIRR: 38.4 becomes 66.6)",
        COMPOSED,
        ("tuned without edits", PLAIN, ONE_WORD),
        ("untuned", "base", ONE_WORD),
    ),
    (
        "... and texts (Table 6, STS: 75.8 becomes 86.0)",
        GRADED,
        ("tuned", "text", ONE_WORD),
        ("untuned", "base", ONE_WORD),
    ),
    (
        "Tuned, one word is still better than no prompt (Table 6: 80.7 against 68.2)",
        BOTH,
        ("one word", "text", ONE_WORD),
        ("no prompt", "text-no-prompt", NO_PROMPT),
    ),
    (
        'Tuned, it is still better than without "in one word" (Table 6: 80.7 against 75.6)',
        BOTH,
        ("one word", "text", ONE_WORD),
        ("without", "text-prompt", PROMPT),
    ),
    (
        "Text-only beats image-text training on retrieval "
        "(Table 7, Flickr30K: 95.0/98.7 against 93.5/97.8)",
        BOTH,
        ("text-only", "text", ONE_WORD),
        (UNAIDED, BARE, ONE_WORD),
    ),
    (
        "... on composed queries (Table 7, CIRR: 66.6 against 35.5)",
        COMPOSED,
        (UNEDITED, PLAIN, ONE_WORD),
        (UNAIDED, BARE, ONE_WORD),
    ),
    (
        "... on texts (Table 7, STS: 86.0 against 72.7)",
        GRADED,
        ("text-only", "text", ONE_WORD),
        (UNAIDED, BARE, ONE_WORD),
    ),
    (
        "Image-text training makes composed queries worse than untuned "
        "(Tables 6 and 7, CIRR: 38.4 becomes 35.5)",
        COMPOSED,
        ("untuned", "base", ONE_WORD),
        (UNAIDED, BARE, ONE_WORD),
    ),
)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, our figures, and whether it holds; None where it cannot be told."""

    paper: str
    ours: str
    holds: bool | None

    @property
    def verdict(self) -> str:
        """Return the verdict in a word or two."""
        return VERDICTS[self.holds]


def judge_claims(findings: Findings) -> Iterator[Claim]:
    """Judge every claim that there are results for."""
    for paper, measure, first, second in COMPARISONS:
        claim = _compared(findings, paper, measure, (first, second))
        if claim:
            yield claim
    yield from _gap_claims(findings)
    yield from _cost_claim(findings)


def _compared(
    findings: Findings, paper: str, measure: str, sides: tuple[tuple[str, str, str], ...]
) -> Claim | None:
    """Compare two settings; the first metric decides, and the other stands beside it."""
    metrics = ("Spearman",) if measure == GRADED else ("R@1", "R@5")
    figures = {
        metric: [
            _figure(findings, measure, setting, metric, variant) for _, setting, variant in sides
        ]
        for metric in metrics
    }
    first, second = figures[metrics[0]]
    if first is None or second is None:
        return None
    (left, _, _), (right, _, _) = sides
    ours = "; ".join(f"{name} {left} {one}, {right} {two}" for name, (one, two) in figures.items())
    verdict = compare(first, second)
    return Claim(paper, f"{measure}: {ours}", None if verdict == "level" else verdict == "above")


def _figure(
    findings: Findings, measure: str, setting: str, metric: str, variant: str
) -> Sample | None:
    if measure == BOTH:
        return findings.both(setting, metric, variant)
    return findings.figure(setting, EDITS if measure == COMPOSED else PAIRS, metric, variant)


def _gap_claims(findings: Findings) -> Iterator[Claim]:
    """Judge what Figure 3 shows: as numbers, which the paper does not have."""
    before = findings.gap("base", "centroid_distance", NO_PROMPT)
    after = findings.gap("base", "centroid_distance")
    separable = findings.gap("base", "separability")
    if before is None or after is None or separable is None:
        return
    yield Claim(
        "The one-word prompt narrows the modality gap (Figure 3)",
        f"distance of the centroids: {before:.2f} without a prompt, {after:.2f} with it",
        after < NARROWER * before,
    )
    yield Claim(
        "... and removes it (Figure 3, to the eye)",
        f"with the prompt, a plane tells {100 * separable:.0f} % of held-out vectors right "
        "(50 % if they are mixed)",
        separable < CLOSED,
    )


def _cost_claim(findings: Findings) -> Iterator[Claim]:
    """Judge the cost of the paper, at its size and here."""
    text, pairs = (findings.cost_of(name, "cpu_seconds") for name in ("text", "pairs"))
    if text is None or pairs is None:
        return
    saved = 100 * (1 - text / pairs)
    yield Claim(
        "Text-only training costs 95.7 % less (Table 7: 1.5 h against 34.9 h)",
        f"CPU time of the whole training at equal steps: {text:.0f} s against {pairs:.0f} s, "
        f"{abs(saved):.0f} % {'less' if saved > 0 else 'more'}",
        saved > NEARLY_ALL,
    )
