"""Which rows form the batch of a step, from sources with and without weights."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest
import torch

from e5v.errors import DataError
from e5v.training.sampler import Batch, Batches
from e5v.training.triplets import Source, Triplet, Triplets


def make_data(*sizes: int) -> Triplets:
    """Return rows of sources a, b, ...; an anchor is named by its source and its number there."""
    sources = [Source("abcd"[n], size) for n, size in enumerate(sizes)]
    rows = [Triplet(f"{one.name}{n}", "p") for one in sources for n in range(one.size)]
    return Triplets(tuple(rows), tuple(range(len(rows))), (), sources=tuple(sources))


def _anchors(batches: Batches, steps: int) -> list[list[str]]:
    return [[str(row.anchor) for row in batch.triplets] for batch in islice(_all(batches), steps)]


def _all(batches: Batches) -> Any:
    return (batches[step] for step in range(10**9))


def _counts(batches: Batches, steps: int) -> list[Counter[str]]:
    return [Counter(anchor[0] for anchor in batch) for batch in _anchors(batches, steps)]


def test_without_weights_all_rows_are_shuffled_together() -> None:
    """Another order than before for all who use neither weights nor sources."""
    batches = Batches(make_data(7, 13), 6, 42)
    for step in range(7):
        epoch, place = divmod(step, 3)
        order = torch.randperm(20, generator=torch.Generator().manual_seed(42 + epoch)).tolist()
        assert list(batches[step].places) == order[6 * place : 6 * place + 6]


@pytest.mark.parametrize("weights", [(0.8, 0.2), (4, 1), (0.1, 0.6, 0.3), (1, 1, 1), (5, 1, 1e-3)])
@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, -5])
def test_weights_are_the_shares_of_every_batch_and_of_the_whole(
    weights: Sequence[float], seed: int
) -> None:
    """Shares of the rows in place of the weights, or a share rounded away in every batch."""
    data = make_data(*[40] * len(weights))
    counts = _counts(Batches(data, 12, seed, weights=weights), 500)
    for source, weight in zip(data.sources, weights, strict=True):
        share = 12 * weight / sum(weights)
        assert {one[source.name] for one in counts} <= {int(share), int(share) + 1}
        assert abs(sum(one[source.name] for one in counts) - 500 * share) < 8
    assert all(one.total() == 12 for one in counts)


@pytest.mark.parametrize("weights", [(), (0.8, 0.2)])
def test_homogeneous_batches_have_one_source(weights: Sequence[float]) -> None:
    """Rows of two sources held against each other, or a source that is never drawn."""
    batches = Batches(make_data(30, 90), 6, 3, weights=weights, batching="homogeneous")
    counts = _counts(batches, 200)
    assert all(len(one) == 1 for one in counts)
    share = 0.8 if weights else 0.25
    assert abs(sum("a" in one for one in counts) - 200 * share) < 4


@pytest.mark.parametrize("batching", ["mixed", "homogeneous"])
def test_an_epoch_of_a_source_has_each_row_once(batching: Any) -> None:
    """Rows that come twice before others come once, or in one order for ever."""
    batches = Batches(make_data(30, 90), 6, 3, weights=(0.5, 0.5), batching=batching)
    anchors = [one for batch in _anchors(batches, 100) for one in batch if one[0] == "a"]
    epochs = [anchors[first : first + 30] for first in range(0, 240, 30)]
    assert all(len(set(epoch)) == 30 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs)


def test_any_step_is_known_without_those_before() -> None:
    """A resumed run that trains on other rows than one that was not interrupted."""
    given: dict[str, Any] = {"weights": (0.7, 0.3)}
    one, other = (Batches(make_data(30, 90), 8, 3, **given) for _ in range(2))
    before = [one[step] for step in range(40)]
    assert other[39] == before[39]
    assert other[5] == before[5]
    assert Batches(make_data(30, 90), 8, 4, **given)[0] != before[0]


def test_sources_of_equal_size_have_other_orders() -> None:
    """Two files that are read in step: row 5 of one always beside row 5 of the other."""
    batch = Batches(make_data(50, 50), 40, 3, weights=(1, 1))[0]
    orders = [
        [str(row.anchor)[1:] for row in batch.triplets if str(row.anchor)[0] == name]
        for name in "ab"
    ]
    assert orders[0] != orders[1]


def test_a_batch_counts_its_sources() -> None:
    """A log that names the wrong file, or a file where there is only one."""
    mixed = Batches(make_data(30, 90), 8, 3, weights=(0.5, 0.5))[0]
    assert mixed.sources == {"a": 4, "b": 4}
    joined: Batch = Batches(make_data(30, 90), 120, 3)[0]
    assert joined.sources == {"a": 30, "b": 90}
    assert Batches(make_data(30), 8, 3)[0].sources == {}


@pytest.mark.parametrize(
    ("batching", "weights", "message"),
    [
        ("mixed", (0.5, 0.5), "a has 3 usable rows, fewer than the 4 that a batch takes from it"),
        ("homogeneous", (), "a has 3 usable rows, fewer than the 8 that a batch takes from it"),
    ],
)
def test_a_source_shorter_than_its_share_is_told(
    batching: Any, weights: Sequence[float], message: str
) -> None:
    """A row that is its own negative, twice and more in one batch."""
    with pytest.raises(DataError, match=message):
        Batches(make_data(3, 90), 8, 3, weights=weights, batching=batching)
