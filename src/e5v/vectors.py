"""What comes out: unit rows, and what may be done to them.

raw rows (n, d) -> unit -> truncate + renormalise -> float32 | float16 | int8 | binary
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError

Precision = Literal["float32", "float16", "int8", "binary"]


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale every row of (n, d) to length 1, in float32. A row of zeros stays zero."""
    rows32 = rows.astype(np.float32, copy=False)
    # In float32 the squares of a long row overflow, and those of a short one vanish.
    squares = np.einsum("...d,...d->...", rows32, rows32, dtype=np.float64)
    lengths = np.sqrt(squares).astype(np.float32)[..., None]
    scaled: NDArray[np.float32] = rows32 / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled


def truncate(rows: NDArray[np.float32], dim: int | None) -> NDArray[np.float32]:
    """Keep the first `dim` values of every unit row and renormalise; None keeps all.

    Raises:
        UsageError: `dim` is not between 1 and d.
    """
    if dim is None or dim == rows.shape[-1]:
        return rows
    check_dim(dim, rows.shape[-1])
    return unit(rows[..., :dim])


def check_dim(dim: int | None, width: int) -> None:
    """Raise `UsageError` unless `dim` is None or between 1 and `width`."""
    if dim is not None and not 1 <= dim <= width:
        raise UsageError(f"dim is {dim}; expected 1 to {width}, the width of this model's vectors")


def check_precision(precision: str) -> None:
    """Raise `UsageError` unless `precision` is one that `quantise` knows."""
    if precision not in get_args(Precision):
        known = ", ".join(get_args(Precision))
        raise UsageError(f'precision is "{precision}"; expected one of {known}')


def quantise(rows: NDArray[np.float32], precision: Precision) -> NDArray[np.generic]:
    """Store unit rows (n, d) in fewer bytes.

    float16 is (n, d); int8 is (n, d), each row scaled so that its largest value is 127 (cosine is
    unchanged by the scale); binary is (n, ceil(d / 8)) uint8, one sign bit per value, most
    significant bit first, as `numpy.packbits`.
    """
    check_precision(precision)
    if precision == "float16":
        return rows.astype(np.float16)
    if precision == "int8":
        peaks = np.abs(rows).max(axis=-1, keepdims=True)
        steps: NDArray[np.float32] = rows / np.maximum(peaks, np.finfo(np.float32).tiny) * 127
        return np.rint(steps).astype(np.int8)
    if precision == "binary":
        return np.packbits(rows > 0, axis=-1)
    return rows


def similarity(left: NDArray[np.generic], right: NDArray[np.generic]) -> NDArray[np.float32]:
    """Cosine of every row of `left` (n, d) with every row of `right` (m, d): (n, m) float32.

    Raises:
        UsageError: the two widths differ, or a side is packed bits (binary).
    """
    if np.uint8 in (left.dtype, right.dtype):
        raise UsageError("binary vectors have no cosine; compare their bits (Hamming distance)")
    widths = left.shape[-1], right.shape[-1]
    if widths[0] != widths[1]:
        raise UsageError(f"vectors are {widths[0]} and {widths[1]} wide; expected one width")
    cosines: NDArray[np.float32] = unit(left.astype(np.float32)) @ unit(right.astype(np.float32)).T
    return cosines
