"""Keys of strings: all places that may have one are found, and no others."""

import numpy as np
import pytest

from e5v.search import keys as module
from e5v.search.keys import KeyIndex, are_ascending, find_positions, keys_of


def test_places_of_strings() -> None:
    """Catches a place that is not found, or is another string's."""
    words = [f"word {number % 70}" for number in range(100)]
    index = KeyIndex.of(keys_of(words))
    assert index.find("word 3").tolist() == [3, 73]
    assert index.find("nothing").tolist() == []
    spans = index.find_all(["word 69", "nothing", "word 29"])
    assert spans.counts.tolist() == [1, 0, 2]
    assert index.places[spans.slots()].tolist() == [69, 29, 99]
    assert index.shared().tolist() == [*range(30), *range(70, 100)]
    np.testing.assert_array_equal(index.by_place(), keys_of(words))
    assert KeyIndex.of(keys_of([])).find_all(["word"]).slots().tolist() == []


def test_numbers_among_ascending_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a number taken for its neighbour, and one out of order at the edge of a piece."""
    numbers = np.array([2, 5, 9])
    assert find_positions(numbers, np.array([5, 1, 9, 10, 3])).tolist() == [1, -1, 2, -1, -1]
    assert find_positions(numbers[:0], np.array([5])).tolist() == [-1]
    monkeypatch.setattr(module, "PIECE", 4)
    assert are_ascending(np.arange(13))
    for place in range(12):
        wrong = np.arange(13)
        wrong[place] = wrong[place + 1]
        assert not are_ascending(wrong)
    assert are_ascending(numbers[:0])
