"""Operations on vectors: normalise, truncate, quantise, compare.

raw rows (n, d) -> unit -> truncate + renormalise -> float32 | float16 | int8 | binary
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError, first_line

Precision = Literal["float32", "float16", "int8", "binary"]


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale every row of (n, d) to length 1, in float32. A row of zeros stays zero."""
    rows32 = rows.astype(np.float32, copy=False)
    # In float32 the squares of large values overflow, and those of small ones underflow.
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
    """Raise `UsageError` unless `quantise` supports `precision`."""
    if precision not in get_args(Precision):
        known = ", ".join(get_args(Precision))
        raise UsageError(f'precision is "{precision}"; expected one of {known}')


def quantise(rows: NDArray[np.float32], precision: Precision) -> NDArray[np.generic]:
    """Convert unit rows (n, d) to a smaller type.

    float16 is (n, d); int8 is (n, d), each row scaled so that its largest value is 127 (which does
    not change cosines); binary is (n, ceil(d / 8)) uint8, one sign bit per value, most
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


def similarity(left: object, right: object) -> NDArray[np.float32]:
    """Cosine of every row of `left` (n, d) with every row of `right` (m, d): (n, m) float32.

    A side is an array, a torch tensor on any device, or a list of rows; one vector (d,) is one row.
    Rows need not be unit vectors, and may be int8 as from `quantise`.

    Raises:
        UsageError: the widths differ, or a side is packed bits (binary) or not numeric.
    """
    rows = _rows(left, "left"), _rows(right, "right")
    shapes = rows[0].shape, rows[1].shape
    if shapes[0][1] != shapes[1][1]:
        raise UsageError(
            f"vectors are {shapes[0][1]} and {shapes[1][1]} wide; expected equal widths "
            f"(shapes {shapes[0]} and {shapes[1]})"
        )
    cosines: NDArray[np.float32] = unit(rows[0]) @ unit(rows[1]).T
    return cosines


def _rows(given: object, side: str) -> NDArray[np.float32]:
    """Convert vectors of any supported type to float32 rows (n, d)."""
    parts = given if isinstance(given, (list, tuple)) else [given]
    try:
        arrays = [to_array(part) for part in parts]
        rows = np.stack(arrays) if isinstance(given, (list, tuple)) and arrays else arrays[0]
    except (ValueError, TypeError, IndexError) as error:
        raise UsageError(
            f"{side} cannot be read as rows of numbers: {first_line(error)}; expected an array, a "
            "tensor or a list of vectors of equal width"
        ) from None
    if rows.dtype == np.uint8:
        raise UsageError("binary vectors have no cosine; use the Hamming distance of their bits")
    if rows.dtype.kind not in "fiub":
        raise UsageError(f"{side} contains {rows.dtype} values; expected numbers")
    if rows.ndim not in {1, 2}:
        raise UsageError(f"{side} has shape {rows.shape}; expected (rows, width)")
    return np.atleast_2d(rows).astype(np.float32)


def to_array(given: Any) -> NDArray[Any]:
    """Return anything array-like as an array; a torch tensor may be on any device.

    bfloat16 becomes float32, because numpy has no such type.
    """
    if not hasattr(given, "detach"):
        return np.asarray(given)
    tensor = given.detach().cpu()
    return np.asarray((tensor.float() if tensor.is_floating_point() else tensor).numpy())
