"""Sign bits in mapped files: every row at its number, whatever ended the writer before."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from e5v.search import signs as module
from e5v.search.signs import Quantizer, Signs, append, rebuild
from tests.search.made import vectors


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make blocks of 16 rows, so that a few rows fill many."""
    monkeypatch.setattr(module, "BLOCK", 16)


def check(signs: Signs, half: NDArray[np.float16]) -> None:
    """Compare all signs with those of the vectors."""
    words = signs.quantizer.encode(half)
    np.testing.assert_array_equal(signs.words, words)
    first = signs.first.transpose(0, 2, 1).reshape(-1, signs.quantizer.first)[: len(half)]
    np.testing.assert_array_equal(first, words[:, : signs.quantizer.first])


def test_signs_added_bit_by_bit(tmp_path: Path) -> None:
    """Catches rows written over each other at the edges of blocks."""
    half = vectors(100).astype(np.float16)
    signs = rebuild(tmp_path, np.arange(1), lambda start, end: half[start:end], 48)
    edges = [1, 15, 16, 17, 50, 64, 65, 100]
    for start, end in pairwise(edges):
        signs = append(signs, 3 * np.arange(start, end), half[start:end])
        check(signs, half[:end])
    check(Signs.read(tmp_path) or signs, half)
    assert signs.rows(np.array([0, 48, 297])).tolist() == [0, 16, 99]  # type: ignore[union-attr]
    assert signs.rows(np.array([48, 49])) is None
    assert signs.rows(np.array([], np.int64)) is not None


@pytest.mark.parametrize("dim", [1, 63, 64, 65, 1_500])
def test_signs_of_any_width(dim: int) -> None:
    """Catches padding that differs from row to row, and dimensions out of their order."""
    half = vectors(200, dim=dim).astype(np.float16)
    quantizer = Quantizer.fit(half)
    signs = quantizer.encode(half)
    assert signs.shape == (200, -(-dim // 64))
    bits = np.unpackbits(signs.view(np.uint8), axis=1, bitorder="little")
    above = (half.astype(np.float32) > quantizer.mean)[:, quantizer.order]
    np.testing.assert_array_equal(bits[:, :dim], above)
    assert not bits[:, dim:].any()
    spread = half.astype(np.float32).var(axis=0)[quantizer.order]
    assert (np.diff(spread) <= 0).all()


def test_what_a_killed_writer_left_is_written_over(tmp_path: Path) -> None:
    """Catches rows shifted by part of one that stands at the end of a file."""
    half = vectors(40).astype(np.float16)
    signs = rebuild(tmp_path, np.arange(20), lambda start, end: half[start:end], 48)
    for name, left in (("signs.u64", 12), ("numbers.i64", 3)):
        with (signs.folder / name).open("ab") as file:
            file.write(b"x" * left)
    with (signs.folder / "first.u64").open("r+b") as file:
        file.truncate(1_000_000)
    killed = Signs.read(tmp_path)
    assert killed is not None
    check(killed, half[:20])
    check(append(killed, np.arange(20, 40), half[20:]), half)


def test_signs_made_again_leave_the_old_to_their_readers(tmp_path: Path) -> None:
    """Catches a reader whose signs change, or go, under it."""
    half = vectors(60).astype(np.float16)
    old = rebuild(tmp_path, np.arange(60), lambda start, end: half[start:end], 48)
    kept = np.arange(0, 60, 3)
    new = rebuild(tmp_path, kept, lambda start, end: half[kept[start:end]], 48)
    check(old, half)
    check(new, half[kept])
    assert [path.name for path in tmp_path.iterdir()] == [new.folder.name]
    assert Signs.read(tmp_path / "nowhere") is None
