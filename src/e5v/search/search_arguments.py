"""Check the arguments of a search, before a model is opened for it.

k, where, min_score | kind, limit, offset -> UsageError if one cannot be used
words | Query -> Query
vector: array | torch tensor -> float32 (d,)
"""

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.search.entries import KINDS
from e5v.vectors import to_array

if TYPE_CHECKING:
    from e5v.search.query import Query


def check_options(k: object, where: object, min_score: object) -> None:
    """Check how many hits are wanted, and which.

    Raises:
        UsageError: one of them is out of range or of another type.
    """
    if not isinstance(k, Integral):
        raise UsageError(f"k is {k!r}; expected a whole number, at least 1")
    if k < 1:
        raise UsageError(f"k is {k}; expected at least 1")
    if where is not None and not isinstance(where, str):
        raise UsageError(
            f"where is of type {type(where).__name__}; expected a string such as \"kind = 'image'\""
        )
    if min_score is not None and (not isinstance(min_score, Real) or math.isnan(min_score)):
        raise UsageError(f"min_score is {min_score!r}; expected a cosine, -1 to 1")


def check_page(kind: str | None, limit: int, offset: int) -> None:
    """Check which entries are wanted, and how many.

    Raises:
        UsageError: there is no such kind, or a number is negative.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"kind is {kind!r}; expected {' or '.join(KINDS)}")
    if limit < 0 or offset < 0:
        raise UsageError(f"limit is {limit} and offset is {offset}; expected at least 0")


def read_query(query: object, dim: int) -> "Query":
    """Return words, or a `Query`, as a `Query`; `dim` is the width of a vector, for the message.

    Raises:
        UsageError: it is of another type.
    """
    from e5v.search.query import Query

    if isinstance(query, Query):
        return query
    if isinstance(query, str):
        return Query(query)
    raise UsageError(
        f"the query is of type {type(query).__name__}; expected words, a vector ({dim},), "
        "or a Query: for an image, Query(image=...)"
    )


def is_vector(query: object) -> bool:
    """Return whether a query is an array or a torch tensor."""
    return isinstance(query, np.ndarray) or hasattr(query, "detach")


def read_vector(query: object, dim: int) -> NDArray[np.float32]:
    """Return an array or a torch tensor on any device as a float32 vector (d,).

    Raises:
        UsageError: it has another shape, or values that are not finite numbers.
    """
    vector = to_array(query)
    if vector.shape != (dim,):
        raise UsageError(f"the vector has shape {vector.shape}; expected ({dim},)")
    if vector.dtype.kind not in "fiu":
        raise UsageError(f"the vector contains {vector.dtype} values; expected numbers")
    with np.errstate(over="ignore"):  # becomes infinite, which is refused
        narrowed = np.ascontiguousarray(vector, np.float32)
    finite = np.isfinite(narrowed)
    if not finite.all():
        at = int(np.argmin(finite))
        raise UsageError(f"the vector has {vector[at]} at {at}; expected finite numbers")
    return narrowed
