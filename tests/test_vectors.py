"""What is done to rows after the model: lengths, widths, bytes and cosines."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.vectors import (
    Precision,
    check_dim,
    check_precision,
    quantise,
    similarity,
    truncate,
    unit,
)


def rows(count: int, width: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Draw unit rows at random."""
    return unit(np.random.default_rng(seed).normal(size=(count, width)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_unit_rows_have_length_one(dtype: type[np.floating]) -> None:
    """Catches vectors whose dot product is not their cosine, or in another dtype than said."""
    raw = np.random.default_rng(1).normal(size=(5, 33)).astype(dtype)
    scaled = unit(raw)
    assert scaled.dtype == np.float32
    assert scaled.shape == (5, 33)
    np.testing.assert_allclose(np.linalg.norm(scaled, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(scaled * np.linalg.norm(raw, axis=1)[:, None], raw, rtol=2e-2)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e18, 1e30])
def test_unit_rows_at_any_scale(scale: float) -> None:
    """Catches squares that vanish or overflow in float32 and leave rows of length 0 or 10^12."""
    row = np.full((1, 4), scale, np.float32)
    np.testing.assert_allclose(unit(row), np.full((1, 4), 0.5), rtol=1e-6)


def test_zeros_stay_zero_and_nothing_is_overwritten() -> None:
    """Catches NaN out of an empty vector, and a caller's array changed under their hands."""
    raw = np.array([[0, 0], [3, 4]], np.float32)
    np.testing.assert_array_equal(unit(raw), np.array([[0, 0], [0.6, 0.8]], np.float32))
    np.testing.assert_array_equal(raw, np.array([[0, 0], [3, 4]], np.float32))
    assert unit(raw[:0]).shape == (0, 2)


def test_truncate_keeps_the_first_values_and_renormalises() -> None:
    """Catches short vectors that are not unit any more, or cut from the wrong end."""
    full = rows(4, 16)
    short = truncate(full, 5)
    assert short.shape == (4, 5)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(short / short[:, :1], full[:, :5] / full[:, :1], rtol=1e-5)
    np.testing.assert_allclose(np.abs(truncate(full, 1)), 1)
    np.testing.assert_array_equal(truncate(full, None), full)
    np.testing.assert_array_equal(truncate(full, 16), full)
    assert truncate(full[0], 5).shape == (5,)


@pytest.mark.parametrize("dim", [0, -1, 17])
def test_a_width_that_cannot_be_served(dim: int) -> None:
    """Catches dim=0 or a dim wider than the model answered by something of another shape."""
    for act in (lambda: truncate(rows(2, 16), dim), lambda: check_dim(dim, 16)):
        with pytest.raises(UsageError, match=f"dim is {dim}; expected 1 to 16"):
            act()


def test_widths_and_precisions_that_can_be_served() -> None:
    """Catches a check that refuses what the documentation offers."""
    for dim in (None, 1, 16):
        check_dim(dim, 16)
    for precision in ("float32", "float16", "int8", "binary"):
        check_precision(precision)


def test_an_unknown_precision() -> None:
    """Catches a typo in `precision` that gives float32 without a word."""
    with pytest.raises(UsageError, match='precision is "int4"; expected one of float32, float16'):
        check_precision("int4")


@pytest.mark.parametrize(
    ("precision", "dtype", "width"),
    [
        ("float32", np.float32, 21),
        ("float16", np.float16, 21),
        ("int8", np.int8, 21),
        ("binary", np.uint8, 3),
    ],
)
@pytest.mark.parametrize("count", [0, 6])
def test_shapes_and_dtypes(precision: Precision, dtype: type, width: int, count: int) -> None:
    """Catches an index sized for one layout that gets another, or none at all for no items."""
    stored = quantise(rows(count, 21), precision)
    assert stored.dtype == dtype
    assert stored.shape == (count, width)


@pytest.mark.parametrize(("precision", "least"), [("float16", 0.99999), ("int8", 0.9995)])
def test_fewer_bytes_keep_the_direction(precision: Precision, least: float) -> None:
    """Catches a quantisation that clips, wraps around or warps a row: cosines would move."""
    full = rows(50, 256)
    full[0] = unit(np.eye(1, 256) + 1e-3)[0]  # one value far larger than all others
    stored = quantise(full, precision)
    assert similarity(full, stored).diagonal()[1:].min() > least
    assert similarity(full, stored)[0, 0] > 0.99
    between = similarity(full, full) - similarity(stored, stored)
    assert np.abs(between[1:, 1:]).max() < 0.01


def test_int8_uses_its_whole_range() -> None:
    """Catches bits wasted, and -128, which has no positive twin."""
    stored = quantise(rows(50, 64), "int8").astype(np.int16)
    np.testing.assert_array_equal(np.abs(stored).max(axis=1), 127)


def test_int8_of_nothing() -> None:
    """Catches a division by zero: an empty vector is zeros in int8 as well."""
    stored = quantise(np.zeros((2, 8), np.float32), "int8")
    np.testing.assert_array_equal(stored, np.zeros((2, 8), np.int8))


def test_binary_is_packed_sign_bits() -> None:
    """Catches bits in another order than numpy, Faiss and the databases read them."""
    row = np.array([[0.5, -0.5, 0.1, -0.1, -0.2, -0.3, 0.0, 0.2, 0.9, -0.9]], np.float32)
    np.testing.assert_array_equal(quantise(row, "binary"), [[0b10100001, 0b10000000]])
    full = rows(8, 40)
    bits = np.unpackbits(quantise(full, "binary").astype(np.uint8), axis=1)
    np.testing.assert_array_equal(bits[:, :40], full > 0)


def test_similarity_is_cosine_whatever_the_lengths() -> None:
    """Catches dot products passed off as cosines, rows mixed up with columns, int8 overflow."""
    left, right = rows(3, 12, seed=1), rows(5, 12, seed=2)
    scaled = left * np.array([[1], [7], [0.01]], np.float32)
    cosines = similarity(scaled, right)
    assert cosines.dtype == np.float32
    assert cosines.shape == (3, 5)
    np.testing.assert_allclose(cosines, left.astype(np.float64) @ right.T, atol=1e-6)
    np.testing.assert_allclose(similarity(left, left).diagonal(), 1, atol=1e-6)
    coarse = quantise(left, "int8")
    np.testing.assert_allclose(similarity(coarse, coarse).diagonal(), 1, atol=1e-6)


def test_similarity_refuses_what_has_no_cosine() -> None:
    """Catches packed bits compared as numbers, with an error that blames the widths instead."""
    full = rows(2, 16)
    for left, right in ((quantise(full, "binary"), full), (full, quantise(full, "binary"))):
        with pytest.raises(UsageError, match="binary vectors have no cosine"):
            similarity(left, right)
    with pytest.raises(UsageError, match="16 and 8 wide; expected equal widths"):
        similarity(full, full[:, :8])


@pytest.mark.parametrize(
    "given",
    [
        torch.from_numpy,
        lambda array: torch.nn.Parameter(torch.from_numpy(array)),
        lambda array: torch.from_numpy(array).bfloat16(),
        lambda array: torch.from_numpy(array).double(),
        lambda array: list(torch.from_numpy(array)),
        lambda array: list(array),
        lambda array: array.tolist(),
        lambda array: array.astype(np.float16),
    ],
)
def test_similarity_takes_every_kind_of_rows(given: Any) -> None:
    """Catches a traceback about tensors, and bfloat16 or gradients that numpy cannot read."""
    left, right = rows(3, 8, seed=1), rows(4, 8, seed=2)
    cosines = similarity(given(left), given(right))
    assert isinstance(cosines, np.ndarray)
    assert cosines.dtype == np.float32
    np.testing.assert_allclose(cosines, left @ right.T, atol=1e-2)
    assert similarity(given(left), right).shape == (3, 4)


def test_similarity_of_one_vector_is_a_row() -> None:
    """Catches a number, or one row too few, where (n, m) is promised."""
    left, right = rows(1, 8, seed=1), rows(4, 8, seed=2)
    for one in (left[0], torch.from_numpy(left[0]), left[0].tolist()):
        np.testing.assert_allclose(similarity(one, right), left @ right.T, atol=1e-6)
        assert similarity(one, one).shape == (1, 1)


@pytest.mark.parametrize(
    ("left", "message"),
    [
        (torch.zeros(2, 16, dtype=torch.uint8), "binary vectors have no cosine"),
        (
            torch.zeros(2, 8),
            r"8 and 16 wide; expected equal widths \(shapes \(2, 8\) and \(2, 16\)\)",
        ),
        (torch.zeros(2, 2, 16), r"left has shape \(2, 2, 16\); expected \(rows, width\)"),
        (["a dog"], "left contains <U5 values; expected numbers"),
        ([[1.0, 2.0], [1.0]], "left cannot be read as rows of numbers"),
        ([], "left cannot be read as rows of numbers"),
        (None, "left contains object values; expected numbers"),
    ],
)
def test_similarity_says_what_is_wrong(left: object, message: str) -> None:
    """Catches a traceback of numpy or torch for what is no pair of rows."""
    with pytest.raises(UsageError, match=message) as caught:
        similarity(left, rows(2, 16))
    assert "\n" not in str(caught.value)
