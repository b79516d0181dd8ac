"""Distillation: a file with another model's similarities or vectors of the data.

    teacher.npy, left on disk -> the rows of one batch -> cosine of every anchor with every positive

The file has one row for each row of data, broken rows included, in the order of the data's files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from e5v.errors import DataError, first_line
from e5v.vectors import unit

SIMILARITIES, VECTORS = 2, 3  # dimensions of the array


@dataclass(frozen=True, eq=False)
class Teacher:
    """Similarities (n, n) of anchor i with positive j, or vectors (n, 2, d) of anchor, positive.

    `values` stays on disk: only what a batch needs is read.
    """

    file: Path
    values: NDArray[np.floating]

    @classmethod
    def open(cls, file: Path, rows: int) -> "Teacher":
        """Open a .npy file for `rows` rows of data (`Triplets.count`).

        Raises:
            DataError: it is not an array of floats, or has the wrong shape.
        """
        try:
            values = open_memmap(file, mode="r")
        except (OSError, ValueError) as error:
            raise DataError(f"{file} cannot be read as .npy: {first_line(error)}") from error
        if not np.issubdtype(values.dtype, np.floating):
            raise DataError(
                f"{file} has the dtype {values.dtype}; expected float16, float32 or float64"
            )
        fits = values.shape == (rows, rows) or (
            values.ndim == VECTORS and values.shape[:2] == (rows, 2) and values.shape[2] > 0
        )
        if not fits:
            raise DataError(
                f"{file} has the shape {values.shape}; expected ({rows}, {rows}), similarities of "
                f"the data's rows, or ({rows}, 2, d), vectors of their anchors and positives"
            )
        return cls(file, values)

    def similarities(self, places: Sequence[int]) -> Float[Tensor, "b b"]:
        """Return the teacher's cosine of anchor i with positive j of a batch, float32.

        `places` are the indices of the batch's rows among all rows, as in `Triplets.places`.

        Raises:
            DataError: the file has NaN or infinity there.
        """
        matrix = self.values.ndim == SIMILARITIES
        picked = self.values[np.ix_(places, places) if matrix else list(places)]
        if not np.isfinite(picked).all():
            raise DataError(f"{self.file} contains NaN or infinity; expected finite numbers")
        if matrix:
            return torch.from_numpy(picked.astype(np.float32))
        vectors = unit(picked)
        return torch.from_numpy(vectors[:, 0] @ vectors[:, 1].T)
