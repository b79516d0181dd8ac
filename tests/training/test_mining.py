"""Hard negatives: which candidates are taken, compared with sentence-transformers and by hand."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from e5v.errors import DataError, UsageError
from e5v.inputs import normalise
from e5v.model.encoded import Encoded
from e5v.training import mining_items
from e5v.training.mining import Mined, mine
from e5v.training.mining_items import DistinctItems, ItemCorpus, Pairs
from e5v.training.mining_rule import MiningRule
from e5v.training.triplets import Triplet
from e5v.vectors import unit

Vectors = dict[str, NDArray[np.float32]]


class Known:
    """A model that knows the vectors of some texts; for sentence-transformers, too."""

    width = 16
    device = torch.device("cpu")

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def encode_iter(self, items: Iterable[Any], **_: Any) -> Iterator[Encoded]:
        """Return the vectors as `E5V` does."""
        for position, item in enumerate(items):
            yield Encoded(position, self._vectors[normalise(item).texts[0]], cut=False)

    def encode_query(self, texts: list[str], **_: Any) -> NDArray[np.float32]:
        """Return the vectors as sentence-transformers does."""
        return np.stack([self._vectors[text] for text in texts])

    encode_document = encode_query

    def similarity(self, left: Any, right: Any) -> torch.Tensor:
        """Return the cosines (n, m)."""
        return torch.as_tensor(left) @ torch.as_tensor(right).T

    def similarity_pairwise(self, left: Any, right: Any) -> torch.Tensor:
        """Return the cosines (n,)."""
        return (torch.as_tensor(left) * torch.as_tensor(right)).sum(-1)


class Quiet:
    """Progress that nobody sees."""

    def begin(self, doing: str, total: int) -> None:
        """Do nothing."""

    def step(self, count: int = 1) -> None:
        """Do nothing."""


@pytest.fixture
def rows() -> list[Triplet]:
    """Give 60 pairs of 40 anchors: every other anchor has two positives."""
    return [
        Triplet(f"anchor {n}", f"positive {n} {m}") for n in range(40) for m in range(1 + n % 2)
    ]


@pytest.fixture
def vectors(rows: list[Triplet]) -> Vectors:
    """Give vectors: positives near their anchor, and 200 others anywhere."""
    draw = np.random.default_rng(3)
    made = {f"other {n}": draw.standard_normal(16) for n in range(200)}
    for row in rows:
        anchor = made.setdefault(str(row.anchor), draw.standard_normal(16))
        made[str(row.positive)] = anchor + 0.8 * draw.standard_normal(16)
    return {text: unit(vector[None].astype(np.float32))[0] for text, vector in made.items()}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare a few at a time, so that blocks are merged."""
    monkeypatch.setattr(mining_items, "BLOCK", 37)
    monkeypatch.setattr("e5v.training.mining_search.ANCHORS", 13)


def mine_texts(rows: list[Triplet], vectors: Vectors, texts: Iterable[str], **rule: Any) -> Mined:
    """Mine from a corpus of texts."""
    model: Any = Known(vectors)
    corpus = ItemCorpus(DistinctItems.of(texts), model)
    return mine(Pairs.of(rows), corpus, model, MiningRule(**rule), Quiet())


def named(mined: Mined, texts: Iterable[str]) -> dict[str, list[str]]:
    """Return the negatives of every anchor that has any."""
    known = DistinctItems.of(texts).items
    both = zip(mined.pairs.anchors.items, mined.negatives, strict=True)
    return {str(anchor): [str(known[n]) for n in found] for anchor, found in both if len(found)}


@pytest.mark.parametrize(
    "rule",
    [
        {"relative_margin": 0.05, "num_negatives": 3},
        {"absolute_margin": 0.1, "num_negatives": 2},
        {"absolute_margin": 0.05, "relative_margin": 0.2, "max_score": 0.5, "num_negatives": 4},
        {"range_min": 4, "num_negatives": 3},
        {"max_score": 0.3, "num_negatives": 5},
    ],
)
@pytest.mark.parametrize("others", [0, 200])
def test_as_sentence_transformers(
    rows: list[Triplet], vectors: Vectors, rule: dict[str, Any], others: int
) -> None:
    """Other negatives than those of the library whose words the options have."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    texts = [f"other {n}" for n in range(others)] + [str(row.positive) for row in rows]
    data = Dataset.from_dict(
        {"anchor": [row.anchor for row in rows], "positive": [row.positive for row in rows]}
    )
    model: Any = Known(vectors)
    theirs = mine_hard_negatives(
        data, model, corpus=texts, **rule, range_max=50, verbose=False, output_format="triplet"
    )
    expected: dict[str, list[str]] = defaultdict(list)
    for row in theirs:
        if row["negative"] not in expected[row["anchor"]]:
            expected[row["anchor"]].append(row["negative"])
    names = {"absolute_margin": "margin", "num_negatives": "negatives"}
    ours = {names.get(name, name): value for name, value in rule.items() if name != "range_min"}
    if not {"margin", "relative_margin"} & ours.keys():
        ours["margin"] = -2.0  # the library has no margin by default
    ranks = f"{rule.get('range_min', 0)}:50"
    assert named(mine_texts(rows, vectors, texts, ranks=ranks, **ours), texts) == expected


def test_ranks_and_margins_by_hand(rows: list[Triplet], vectors: Vectors) -> None:
    """Negatives outside the ranks or the margin, positives among them, and wrong counts."""
    texts = [text for text in vectors if not text.startswith("anchor")]
    mined = mine_texts(
        rows, vectors, texts, negatives=3, ranks="2:30", margin=0.1, sampling="random", seed=5
    )
    found = named(mined, texts)
    within = above = 0
    for anchor in mined.pairs.anchors.items:
        own = {str(row.positive) for row in rows if row.anchor == anchor}
        score = {text: float(vectors[str(anchor)] @ vectors[text]) for text in texts}
        ranked = sorted((text for text in texts if text not in own), key=lambda t: -score[t])[2:30]
        limit = min(score[text] for text in own) - 0.1
        allowed = [text for text in ranked if score[text] <= limit]
        above += len(ranked) - len(allowed)
        within += len(allowed)
        chosen = found.get(str(anchor), [])
        assert len(chosen) == len(set(chosen)) == min(3, len(allowed))
        assert chosen == [text for text in allowed if text in chosen]  # nearest first
    assert mined.left_out == {"positive": 60, "equal": 0, "margin": above}
    assert within > mined.count > 0


def test_a_seed_is_a_choice(rows: list[Triplet], vectors: Vectors) -> None:
    """A file that nobody can make again, or one that no seed changes."""
    texts = [text for text in vectors if text.startswith("other")]
    rule = {"negatives": 4, "sampling": "random"}
    first, again, other = (
        named(mine_texts(rows, vectors, texts, seed=seed, **rule), texts) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_equal_items_are_one(vectors: Vectors) -> None:
    """A copy of a positive, of another positive of the anchor, or of the anchor, as a negative."""
    rows = [Triplet("anchor 1", "positive 1 0"), Triplet(" anchor 1 ", "positive 1 1")]
    texts = ["anchor 1", "positive 1 0 ", "positive 1 1", "other 1", "other 1", "other 2"]
    texts = [*texts, "  positive 1 0", "anchor 1\n"]
    known = vectors | {text: vectors[text.strip()] for text in texts}
    mined = mine_texts(rows, known, texts, negatives=9, ranks="0:9", margin=-2.0)
    assert set(named(mined, texts)["anchor 1"]) == {"other 1", "other 2"}
    assert mined.left_out == {"positive": 2, "equal": 1, "margin": 0}
    written = mined.rows(rows, ItemCorpus(DistinctItems.of(texts), Known(known)))  # type: ignore[arg-type]
    assert [row.anchor for row in written] == ["anchor 1", " anchor 1 "]
    assert [row.positive for row in written] == ["positive 1 0", "positive 1 1"]
    assert {frozenset(row.negatives) for row in written} == {frozenset({"other 1", "other 2"})}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"ranks": "60:10"}, "expected the first number below the second"),
        ({"ranks": "10"}, "expected two numbers, such as 10:60"),
        ({"ranks": "-1:60"}, "expected two numbers"),
        ({"ranks": "3:5", "negatives": 3}, "at least 3 of them, as many as negatives"),
        ({"negatives": 0}, "negatives is 0; expected at least 1"),
        ({"margin": 3.0}, "margin is 3.0; expected -2 to 2"),
        ({"relative_margin": -0.1}, "relative_margin is -0.1; expected 0 to 1"),
        ({"max_score": 2.0}, "max_score is 2.0; expected a cosine"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_a_rule_out_of_range(rule: dict[str, Any], message: str) -> None:
    """A rule that no candidate can follow, found after hours of embedding."""
    with pytest.raises(UsageError, match=message):
        MiningRule(**rule)


def test_a_corpus_without_negatives(rows: list[Triplet], vectors: Vectors) -> None:
    """A file of pairs that have no negative, as if there were some."""
    texts = ["other 1", "other 2", "other 3"]
    with pytest.raises(DataError, match="the corpus has 3 items, which ranks 5:9 skip"):
        mine_texts(rows, vectors, texts, ranks="5:9")
    with pytest.raises(DataError, match="the corpus has no items"):
        mine_texts(rows, vectors, [])
    with pytest.raises(DataError, match=r"no anchor got a negative \(left out: 120 by the max"):
        mine_texts(rows, vectors, texts, margin=-2.0, max_score=-1.0)
    own = [Triplet("anchor 1", "positive 1 0"), Triplet("anchor 1", "positive 1 1")]
    with pytest.raises(DataError, match=r"no anchor got a negative \(there are no candidates"):
        mine_texts(own, vectors, [str(row.positive) for row in own])
