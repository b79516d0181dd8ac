"""Which of the candidates near an anchor become its hard negatives.

scores of an anchor's positives -> the limit below them; ranks, limit, sampling -> MiningRule

Nothing heavy is imported here: the command line generates its options from this class.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import arg

from e5v.errors import DataError, UsageError, plural

RELATIVE_MARGIN = 0.05  # the best of NV-Retriever (arXiv 2407.15831): "TopK-PercPos, 95 %"
WIDEST = 2.0  # difference of two cosines


@dataclass(frozen=True)
class MiningRule:
    """How negatives are chosen among the items of the corpus that are nearest to an anchor.

    Raises:
        UsageError: a value is out of range, or the ranks are fewer than the negatives.
    """

    negatives: Annotated[int, arg(metavar="N")] = 1
    """Hard negatives of an anchor, at most."""
    ranks: Annotated[str, arg(metavar="SKIP:LAST")] = "0:100"
    """Which of the nearest candidates may be negatives: 10:60 skips the 10 nearest and goes up to
    the 60th. The anchor's positives, and items equal to it, do not count."""
    margin: Annotated[float | None, arg(metavar="X")] = None
    """A negative's cosine with the anchor is at least X below that of the anchor's farthest
    positive; X below 0 lets it be above."""
    relative_margin: Annotated[float | None, arg(metavar="X")] = None
    """The same as a share of the positive's cosine; by default 0.05 if --margin is not given."""
    max_score: Annotated[float | None, arg(metavar="X")] = None
    """A negative's cosine with the anchor is at most X."""
    sampling: Literal["top", "random"] = "top"
    """Take the nearest of the candidates that are left, or any of them."""
    seed: Annotated[int, arg(metavar="N")] = 42
    """Random seed of the sampling."""

    def __post_init__(self) -> None:
        """Check that every value is in range."""
        first, last = self.window
        checks = (
            ("negatives", self.negatives, self.negatives >= 1, "at least 1"),
            ("margin", self.margin, abs(self.margin or 0) <= WIDEST, "-2 to 2"),
            (
                "relative_margin",
                self.relative_margin,
                0 <= (self.relative_margin or 0) <= 1,
                "0 to 1",
            ),
            ("max_score", self.max_score, abs(self.max_score or 0) <= 1, "a cosine, -1 to 1"),
            ("seed", self.seed, 0 <= self.seed < 2**32, "a number from 0 of 32 bits"),
            (
                "ranks",
                self.ranks,
                last - first >= self.negatives,
                f"at least {self.negatives} of them, as many as negatives",
            ),
        )
        for name, got, fits, expected in checks:
            if not fits:
                raise UsageError(f"{name} is {got}; expected {expected}", argument=name)

    @property
    def window(self) -> tuple[int, int]:
        """The ranks as numbers: how many are skipped, and the last that is taken.

        Raises:
            UsageError: they are not two numbers, the first below the second.
        """
        first, colon, last = self.ranks.partition(":")
        if not (colon and first.strip().isdecimal() and last.strip().isdecimal()):
            raise UsageError(
                f"ranks is {self.ranks}; expected two numbers, such as 10:60", argument="ranks"
            )
        window = int(first), int(last)
        if window[0] >= window[1]:
            raise UsageError(
                f"ranks is {self.ranks}; expected the first number below the second, such as 10:60",
                argument="ranks",
            )
        return window

    @property
    def share(self) -> float | None:
        """The relative margin that holds, None for none."""
        unset = self.margin is None and self.relative_margin is None
        return RELATIVE_MARGIN if unset else self.relative_margin

    def check_size(self, candidates: int) -> None:
        """Check that a corpus has items at the ranks.

        Raises:
            DataError: it is empty, or smaller than the ranks that are skipped.
        """
        if not candidates:
            raise DataError("the corpus has no items; give another", argument="corpus")
        if candidates <= self.window[0]:
            raise DataError(
                f"the corpus has {plural(candidates, 'item')}, which ranks {self.ranks} skip; "
                "expected lower ranks or a larger corpus",
                argument="ranks",
            )
