"""The tasks of an embedder: searches, and grading the similarity of pairs.

    Source -> Material: its tasks, and notes on the data
    Pool (items, one prompt) -> vectors -> Search: ranks of the true candidates  -> figures
                                        -> Grading: cosines against grades       -> a figure

An item is anything that `encode` takes. Protocols (what is hidden, summed, competes) are data, so
that one evaluator serves all benchmarks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from e5v.inputs import RawItem

Kind = Literal["text", "image", "composed"]


@dataclass(frozen=True)
class Pool:
    """Items that are embedded with one prompt; `kind` is what they are, for reports and gaps."""

    items: Sequence[RawItem]
    kind: Kind
    prompt: str = "retrieval"


@dataclass(frozen=True)
class Relevance:
    """The true candidates of each query, as indices of candidates: the field's "qrels".

    `hidden` ones are excluded before ranking (the reference image of an edit). Where `among` is
    given, only those compete (CIRR's subsets).
    """

    true: Sequence[Sequence[int]]
    hidden: Sequence[Sequence[int]] | None = None
    among: Sequence[Sequence[int]] | None = None


@dataclass(frozen=True)
class Search:
    """Queries and the candidates that they search.

    The pools of `queries` are of one length: their vectors are summed item by item, then normalised
    (FashionIQ's two orders of its captions). `cutoffs` are the K of "recall" (hit rate: any
    true candidate among the first K) or "map" (mean average precision at K).
    """

    name: str
    queries: tuple[Pool, ...]
    candidates: Pool
    relevance: Relevance
    cutoffs: tuple[int, ...] = (1, 5, 10)
    measure: Literal["recall", "map"] = "recall"


@dataclass(frozen=True)
class Grading:
    """Pairs and their human similarity grades; the figure is Spearman's rank correlation."""

    name: str
    left: Pool
    right: Pool
    grades: Sequence[float]


@dataclass(frozen=True)
class Submission:
    """Queries whose true candidates only a test server knows: the best are written to a file.

    `names` are those of the candidates, `ids` the queries'; the other fields are those of
    `Search`. The candidates of `among`, if there are any, are also ranked separately.
    """

    name: str
    queries: tuple[Pool, ...]
    candidates: Pool
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
            (task.left, task.right)
            if isinstance(task, Grading)
            else (*task.queries, task.candidates)
        )
        found += [side for side in sides if all(side is not one for one in found)]
    return found


@dataclass(frozen=True)
class Material:
    """The tasks of a benchmark as its source gives them.

    `revision` identifies the data; `notes` say how it differs from the paper's.
    """

    tasks: tuple[Task, ...]
    revision: str
    notes: tuple[str, ...] = ()
