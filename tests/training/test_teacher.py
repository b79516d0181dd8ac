"""A teacher's file: what of it a batch is given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from e5v.errors import DataError
from e5v.training.teacher import Teacher

PLACES = (6, 0, 3)


def save(path: Path, values: NDArray[Any]) -> Path:
    """Write an array, and return its path."""
    np.save(path, values)
    return path


def drawn(*shape: int) -> NDArray[np.float64]:
    """Draw numbers at random."""
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_similarities_are_those_of_the_batch(tmp_path: Path, dtype: type[np.floating]) -> None:
    """Rows of the file taken in its own order, or anchors taken for positives."""
    values = drawn(8, 8).astype(dtype)
    given = Teacher.open(save(tmp_path / "t.npy", values), 8).similarities(PLACES)
    assert given.dtype == torch.float32
    for i, row in enumerate(PLACES):
        for j, column in enumerate(PLACES):
            assert given[i, j] == pytest.approx(float(values[row, column]), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_vectors_become_cosines(tmp_path: Path, dtype: type[np.floating]) -> None:
    """Dot products passed off as cosines, and anchors compared with anchors."""
    values = (drawn(8, 2, 5) * 3).astype(dtype)
    given = Teacher.open(save(tmp_path / "t.npy", values), 8).similarities(PLACES)
    assert given.dtype == torch.float32
    for i, row in enumerate(PLACES):
        for j, column in enumerate(PLACES):
            anchor, positive = values[row, 0].astype(float), values[column, 1].astype(float)
            cosine = anchor @ positive / np.linalg.norm(anchor) / np.linalg.norm(positive)
            assert given[i, j] == pytest.approx(cosine, abs=1e-6)


def test_the_file_stays_on_disk(tmp_path: Path) -> None:
    """All of a matrix of 275,601 rows read into memory at the start."""
    teacher = Teacher.open(save(tmp_path / "t.npy", drawn(8, 8)), 8)
    assert isinstance(teacher.values, np.memmap)


@pytest.mark.parametrize(
    "shape", [(7, 7), (8, 7), (8,), (7, 2, 5), (8, 3, 5), (8, 2), (8, 2, 0), (8, 2, 5, 1)]
)
def test_another_shape_is_told(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A teacher of other data, whose rows would be those of other texts, taken all the same."""
    path = save(tmp_path / "t.npy", drawn(*shape))
    with pytest.raises(DataError) as caught:
        Teacher.open(path, 8)
    assert f"t.npy has the shape {shape}; expected (8, 8)" in str(caught.value)
    assert "(8, 2, d)" in str(caught.value)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    """Whole numbers, pickles and archives as a traceback, or worse, as similarities."""
    np.savez(tmp_path / "many.npz", drawn(8, 8))
    np.save(tmp_path / "objects.npy", np.array([[{}]], object), allow_pickle=True)
    (tmp_path / "short.npy").write_bytes(save(tmp_path / "t.npy", drawn(8, 8)).read_bytes()[:99])
    for name in ("many.npz", "objects.npy", "short.npy", "absent.npy", "."):
        with pytest.raises(DataError, match=r"cannot be read as \.npy") as caught:
            Teacher.open(tmp_path / name, 8)
        assert "\n" not in str(caught.value)
    for dtype in (np.int8, np.complex64):
        with pytest.raises(DataError, match=f"has the dtype {np.dtype(dtype)}; expected float16"):
            Teacher.open(save(tmp_path / "whole.npy", np.ones((8, 8), dtype)), 8)


@pytest.mark.parametrize("shape", [(8, 8), (8, 2, 5)])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_told(tmp_path: Path, shape: tuple[int, ...], value: float) -> None:
    """A loss that is NaN because of one hole in a file, found 500 steps later, cause unknown."""
    values = drawn(*shape).astype(np.float32)
    values[3, 0] = value
    teacher = Teacher.open(save(tmp_path / "t.npy", values), 8)
    teacher.similarities((1, 2))
    with pytest.raises(DataError, match="contains NaN or infinity"):
        teacher.similarities(PLACES)
