"""What the paper says, and whether the results say so, too.

Findings -> two figures of each claim -> Claim: both, and a verdict
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nano.findings import EDITS, NO_PROMPT, PAIRS, PROMPT, Findings, Sample, compare

NARROWER = 0.9  # of the distance, below which a gap has narrowed
CLOSED = 0.6  # of held-out vectors that a plane tells right, below which there is no gap
NEARLY_ALL = 90  # percent of a cost that is saved


@dataclass(frozen=True)
class Claim:
    """Something the paper says, and what came of it here."""

    papers: str
    ours: str
    holds: bool | None

    @property
    def verdict(self) -> str:
        """Say it in a word or two."""
        said = {True: "reproduces", False: "**does not reproduce**", None: "cannot be told"}
        return said[self.holds]


@dataclass(frozen=True)
class Rivals:
    """A claim that the first of two is above the second; `papers` has both figures.

    Of its metrics the first decides, and the others stand beside it.
    """

    papers: str
    first: str
    second: str
    of: Callable[[Findings, str], tuple[Sample | None, Sample | None]]
    what: str
    metrics: tuple[str, ...] = ("R@1", "R@5")

    def judged(self, findings: Findings) -> Claim | None:
        """Compare, if both figures are there."""
        found = {metric: self.of(findings, metric) for metric in self.metrics}
        first, second = found[self.metrics[0]]
        if first is None or second is None:
            return None
        told = "; ".join(
            f"{metric} {self.first} {left}, {self.second} {right}"
            for metric, (left, right) in found.items()
        )
        verdict = compare(first, second)
        holds = None if verdict == "level" else verdict == "above"
        return Claim(self.papers, f"{self.what}: {told}", holds)


def _edits(f: Findings, setting: str, metric: str) -> Sample | None:
    return f.figure(setting, EDITS, metric)


def _pairs(f: Findings, setting: str, metric: str) -> Sample | None:
    return f.figure(setting, PAIRS, metric)


BOTH = "mean of both ways"
COMPOSED = "composed retrieval"
PLAIN = "text-plain"  # no edits among its rows, as there are none in the paper's
GRADED = "graded pairs"
RIVALS = (
    Rivals(
        "Untuned, one word is far better than no prompt (Table 6: 61.9 against 9.2)",
        "one word",
        "no prompt",
        lambda f, m: (f.both("base", m), f.both("base", m, NO_PROMPT)),
        BOTH,
    ),
    Rivals(
        'Untuned, it is "in one word" that does it (Table 6: 61.9 against 10.3 without)',
        "one word",
        "without",
        lambda f, m: (f.both("base", m), f.both("base", m, PROMPT)),
        BOTH,
    ),
    Rivals(
        "Tuning on text alone makes images better "
        "(Table 6, Flickr30K: 82.8/90.4 becomes 95.0/98.7)",
        "tuned",
        "untuned",
        lambda f, m: (f.both("text", m), f.both("base", m)),
        BOTH,
    ),
    Rivals(
        "... and composed queries (Table 6, CIRR: 38.4 becomes 66.6)",
        "tuned without edits",
        "untuned",
        lambda f, m: (_edits(f, PLAIN, m), _edits(f, "base", m)),
        COMPOSED,
    ),
    Rivals(
        "... and texts (Table 6, STS: 75.8 becomes 86.0)",
        "tuned",
        "untuned",
        lambda f, m: (_pairs(f, "text", m), _pairs(f, "base", m)),
        GRADED,
        ("Spearman",),
    ),
    Rivals(
        "Tuned, one word is still better than no prompt (Table 6: 80.7 against 68.2)",
        "one word",
        "no prompt",
        lambda f, m: (f.both("text", m), f.both("text-no-prompt", m, NO_PROMPT)),
        BOTH,
    ),
    Rivals(
        'Tuned, it is still better than without "in one word" (Table 6: 80.7 against 75.6)',
        "one word",
        "without",
        lambda f, m: (f.both("text", m), f.both("text-prompt", m, PROMPT)),
        BOTH,
    ),
    Rivals(
        "Text-only beats image-text training on retrieval "
        "(Table 7, Flickr30K: 95.0/98.7 against 93.5/97.8)",
        "text-only",
        "image-text without hard negatives",
        lambda f, m: (f.both("text", m), f.both("pairs-bare", m)),
        BOTH,
    ),
    Rivals(
        "... on composed queries (Table 7, CIRR: 66.6 against 35.5)",
        "text-only without edits",
        "image-text without hard negatives",
        lambda f, m: (_edits(f, PLAIN, m), _edits(f, "pairs-bare", m)),
        COMPOSED,
    ),
    Rivals(
        "... on texts (Table 7, STS: 86.0 against 72.7)",
        "text-only",
        "image-text without hard negatives",
        lambda f, m: (_pairs(f, "text", m), _pairs(f, "pairs-bare", m)),
        GRADED,
        ("Spearman",),
    ),
    Rivals(
        "Image-text training makes composed queries worse than untuned "
        "(Tables 6 and 7, CIRR: 38.4 becomes 35.5)",
        "untuned",
        "image-text without hard negatives",
        lambda f, m: (_edits(f, "base", m), _edits(f, "pairs-bare", m)),
        COMPOSED,
    ),
)


def claims(findings: Findings) -> Iterator[Claim]:
    """Judge every claim that there are results for."""
    yield from filter(None, (one.judged(findings) for one in RIVALS))
    yield from _narrowed(findings)
    yield from _saved(findings)


def _narrowed(findings: Findings) -> Iterator[Claim]:
    """Judge what Figure 3 shows: as numbers, which the paper does not have."""
    before = findings.gap("base", "centroid_distance", NO_PROMPT)
    after = findings.gap("base", "centroid_distance")
    apart = findings.gap("base", "separability")
    if before is None or after is None or apart is None:
        return
    yield Claim(
        "The one-word prompt narrows the modality gap (Figure 3)",
        f"distance of the centroids: {before:.2f} without a prompt, {after:.2f} with it",
        after < NARROWER * before,
    )
    yield Claim(
        "... and removes it (Figure 3, to the eye)",
        f"with the prompt, a plane tells {100 * apart:.0f} % of held-out vectors right "
        "(50 % if they are mixed)",
        apart < CLOSED,
    )


def _saved(findings: Findings) -> Iterator[Claim]:
    """Judge the cost of the paper, at its size and here."""
    text, pairs = (findings.took(name, "cpu_seconds") for name in ("text", "pairs"))
    if text is None or pairs is None:
        return
    saved = 100 * (1 - text / pairs)
    yield Claim(
        "Text-only training costs 95.7 % less (Table 7: 1.5 h against 34.9 h)",
        f"CPU time of the whole training at equal steps: {text:.0f} s against {pairs:.0f} s, "
        f"{abs(saved):.0f} % {'less' if saved > 0 else 'more'}",
        saved > NEARLY_ALL,
    )
