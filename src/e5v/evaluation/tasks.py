"""What an embedder is asked: to find things, or to say how alike they are.

    Source -> Material: its tasks, and what is to be known of the data
    Pool (items, one prompt) -> vectors -> Search: places of the true candidates -> figures
                                        -> Grading: cosines against grades       -> a figure

An item is whatever `encode` takes. Protocols (what is hidden, summed, competes) are data here, so
that one evaluator serves all benchmarks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from e5v.items import RawItem

Kind = Literal["text", "image", "composed"]


@dataclass(frozen=True)
class Pool:
    """Items that are embedded with one prompt; `kind` is what they are, for reports and gaps."""

    items: Sequence[RawItem]
    kind: Kind
    prompt: str = "retrieval"


@dataclass(frozen=True)
class Judgements:
    """What is right, query by query, as places in the gallery.

    `true` are the right ones. `hidden` are taken out before ranking (the reference image of an
    edit). Where `among` is given, those alone compete (CIRR's subsets).
    """

    true: Sequence[Sequence[int]]
    hidden: Sequence[Sequence[int]] | None = None
    among: Sequence[Sequence[int]] | None = None


@dataclass(frozen=True)
class Search:
    """Queries looked for in a gallery.

    The pools of `queries` are of one length: vectors of one place, before they are normalised, are
    summed (FashionIQ's two orders of its captions). `cutoffs` are the K of "recall" (hit rate: any
    true candidate among the first K) or "map" (mean average precision at K).
    """

    name: str
    queries: tuple[Pool, ...]
    gallery: Pool
    judged: Judgements
    cutoffs: tuple[int, ...] = (1, 5, 10)
    measure: Literal["recall", "map"] = "recall"


@dataclass(frozen=True)
class Grading:
    """Pairs and how alike people find them; measured is Spearman's rank correlation."""

    name: str
    left: Pool
    right: Pool
    grades: Sequence[float]


@dataclass(frozen=True)
class Submission:
    """Queries whose truth only a test server knows: the best of the gallery are written down.

    `names` are the gallery's, `ids` the queries'; the other fields are those of `Search`. What its
    `among` are, if there are any, is ranked for itself, too.
    """

    name: str
    queries: tuple[Pool, ...]
    gallery: Pool
    ids: Sequence[str]
    names: Sequence[str]
    hidden: Sequence[Sequence[int]]
    among: Sequence[Sequence[int]]
    measure: Literal["recall", "map"] = "recall"


Task = Search | Grading | Submission


def pools(tasks: Iterable[Task]) -> list[Pool]:
    """Return every pool of some tasks once."""
    found: list[Pool] = []
    for task in tasks:
        sides = (
            (task.left, task.right) if isinstance(task, Grading) else (*task.queries, task.gallery)
        )
        found += [side for side in sides if all(side is not one for one in found)]
    return found


@dataclass(frozen=True)
class Material:
    """The tasks of a benchmark as its source gives them.

    `revision` says which data it is; `notes` where it differs from what the paper used.
    """

    tasks: tuple[Task, ...]
    revision: str
    notes: tuple[str, ...] = ()
