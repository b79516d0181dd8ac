"""What `e5v mine` says: how many negatives there are, what was left out and why.

Mined -> MiningReport -> lines for a reader, or a JSON line
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from e5v.errors import plural
from e5v.verbs.console import say, say_unusable, show_line, wants_lines

if TYPE_CHECKING:
    from e5v.training.mining import Mined
    from e5v.training.triplets import Triplets

CAUSES = {
    "positive": "positives of the anchor",
    "equal": "equal to the anchor",
    "margin": "within the margin of the positive",
    "relative margin": "within the relative margin of the positive",
    "max score": "above the maximum score",
}


@dataclass(frozen=True)
class MiningReport:
    """The result of mining in numbers; scores are mean cosines with the anchor, -1 to 1.

    `anchors_by_count` says how many anchors got how many negatives; `left_out` how many candidates
    were not taken, by cause; `replaced` how many negatives of the data were dropped.
    """

    rows: int
    anchors: int
    candidates: int
    negatives: int
    anchors_by_count: Mapping[int, int]
    left_out: Mapping[str, int]
    replaced: int
    positive_score: float
    negative_score: float

    @classmethod
    def of(cls, mined: "Mined", data: "Triplets", candidates: int) -> "MiningReport":
        """Count what was mined for the rows of data from a number of candidates."""
        return cls(
            rows=len(data.rows),
            anchors=len(mined.negatives),
            candidates=candidates,
            negatives=mined.count,
            anchors_by_count=mined.anchors_by_count,
            left_out=mined.left_out,
            replaced=sum(len(row.negatives) for row in data.rows),
            positive_score=round(mined.mean_positive_score, 4),
            negative_score=round(mined.mean_negative_score, 4),
        )

    def show(self, *, json: bool) -> None:
        """Print it on stdout; what the data lose is said on stderr."""
        if self.replaced:
            say(f"warning: {plural(self.replaced, 'negative')} of the data were replaced")
        if wants_lines(json=json):
            show_line(asdict(self))
        else:
            sys.stdout.write("".join(f"{line}\n" for line in self.lines()))

    def lines(self) -> list[str]:
        """Return it for a reader."""
        got = [
            f"{plural(anchors, 'anchor')} with {plural(count, 'negative') if count else 'none'}"
            for count, anchors in self.anchors_by_count.items()
        ]
        left_out = [f"{count:,} {CAUSES[cause]}" for cause, count in self.left_out.items()]
        return [
            f"{plural(self.rows, 'row')}, {plural(self.candidates, 'candidate')}: {', '.join(got)}",
            f"left out: {', '.join(left_out)}",
            f"mean score: positives {self.positive_score:.4f}, negatives {self.negative_score:.4f}",
        ]


def say_unused(data: "Triplets") -> None:
    """Warn of the rows of data that cannot be used, and of what mining does not use of others."""
    say_unusable(plural(len(data.broken), "row"), data.broken)
    for note in data.notes:
        say(f"warning: {note}")
    if data.has_instructions:
        say(
            "warning: instructions are written with the rows, but candidates are compared without "
            "them"
        )


def say_faults(faults: Sequence[str]) -> None:
    """Warn of the items of a corpus that cannot be embedded."""
    say_unusable(f"{plural(len(faults), 'item')} of the corpus", faults)
