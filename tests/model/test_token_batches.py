"""Batches are filled by what they cost, and every item is in one of them."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from e5v.model.token_batches import token_batches

BUDGET = 100


def cost(lengths: Sequence[int], *, padded: bool) -> int:
    """Count the tokens that a batch takes in the model."""
    return max(lengths) * len(lengths) if padded else sum(lengths)


def random_lengths(seed: int) -> list[int]:
    """Draw lengths as a mixed list has them: many short, some long, a few over any budget."""
    generator = np.random.default_rng(seed)
    count = int(generator.integers(1, 80))
    return [int(length) for length in 1 + generator.exponential(25, count)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("alone_above", [None, 40])
def test_a_plan(seed: int, padded: bool, alone_above: int | None) -> None:  # noqa: FBT001
    """Catches an item lost or embedded twice, memory run out of, and batches half empty."""
    lengths = random_lengths(seed)
    batches = token_batches(lengths, BUDGET, padded=padded, alone_above=alone_above)
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))

    sizes = [[lengths[place] for place in batch] for batch in batches]
    for batch in sizes:
        assert len(batch) == 1 or cost(batch, padded=padded) <= BUDGET
        assert len(batch) == 1 or alone_above is None or max(batch) <= alone_above
    for one, following in pairwise(sizes):
        assert max(one) <= min(following)
        together = cost([*one, following[0]], padded=padded) <= BUDGET
        assert not together or (alone_above is not None and following[0] > alone_above)


def test_equal_lengths_stay_in_order() -> None:
    """Catches a plan that differs from run to run, and with it a vector's last bit."""
    assert token_batches([5, 3, 5, 3, 5], 10) == [[1, 3], [0, 2], [4]]


def test_a_budget_met_exactly() -> None:
    """Catches a limit off by one: a batch of just the budget is one batch."""
    assert token_batches([50, 50], BUDGET) == [[0, 1]]
    assert token_batches([50, 51], BUDGET) == [[0], [1]]
    assert token_batches([40, 50], BUDGET, padded=True) == [[0, 1]]
    assert token_batches([40, 51], BUDGET, padded=True) == [[0], [1]]
    assert token_batches([1, 40], BUDGET, alone_above=40) == [[0, 1]]
    assert token_batches([1, 41], BUDGET, alone_above=40) == [[0], [1]]


def test_padding_counts() -> None:
    """Catches a batch of short items and a long one, which padding makes many times as large."""
    lengths = [10] * 5 + [50]
    assert token_batches(lengths, BUDGET) == [[0, 1, 2, 3, 4, 5]]
    assert token_batches(lengths, BUDGET, padded=True) == [[0, 1, 2, 3, 4], [5]]


def test_one_giant() -> None:
    """Catches an item over the budget that is dropped, loops, or takes others down with it."""
    for padded in (False, True):
        assert token_batches([7, 10**6, 7], BUDGET, padded=padded) == [[0, 2], [1]]
        assert token_batches([10**6], BUDGET, padded=padded) == [[0]]
        assert token_batches([10**6, 10**7], BUDGET, padded=padded) == [[0], [1]]


def test_nothing_to_plan() -> None:
    """Catches encode([]) ending in an IndexError."""
    assert token_batches([], BUDGET) == []
