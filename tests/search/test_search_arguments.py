"""What can be asked of an index, and that a mistake is told before a model is opened."""

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from e5v.errors import UsageError
from e5v.search.index import Index
from tests.search.made import DIM, fill, vectors


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"k": 0}, "k is 0; expected at least 1"),
        ({"k": 2.5}, "k is 2.5; expected a whole number, at least 1"),
        ({"k": "3"}, "k is '3'; expected a whole number"),
        ({"min_score": "0.5"}, "min_score is '0.5'; expected a cosine, -1 to 1"),
        ({"min_score": float("nan")}, "min_score is nan; expected a cosine"),
        ({"where": 3}, "where is of type int; expected a string such as "),
        ({"where": "colour = 'red'"}, "the filter .* cannot be used: "),
    ],
)
def test_options_of_a_search_are_checked_first(
    tmp_path: Path, options: dict[str, Any], fault: str
) -> None:
    """Catches an option that is found wrong deep in a library, or after minutes of opening."""
    index = Index.open(fill(tmp_path, vectors(10)))
    for query in (vectors(1)[0], "words: the model of this index does not exist"):
        with pytest.raises(UsageError, match=fault) as told:
            index.search(query, **options)
        assert "\n" not in str(told.value)
    numpys: dict[str, Any] = {"k": np.int64(3), "min_score": np.float32(-1)}
    assert len(index.search(vectors(1)[0], **numpys)) == 3


@pytest.mark.parametrize(
    "query",
    [
        None,
        Path("cat.jpg"),
        {"image": "cat.jpg"},
        [0.5] * DIM,
        b"an image",
        PIL.Image.new("L", (2, 2)),
    ],
)
def test_a_query_of_another_type(tmp_path: Path, query: Any) -> None:
    """Catches an image given without `Query` that ends in an error about attributes."""
    index = Index.open(fill(tmp_path, vectors(10)))
    fault = rf"of type {type(query).__name__}; expected words, a vector \(48,\), or a Query: for an"
    with pytest.raises(UsageError, match=fault):
        index.search(query)


def test_a_vector_is_an_array_or_a_tensor_of_finite_numbers(tmp_path: Path) -> None:
    """Catches hits whose score is not a number."""
    index = Index.open(fill(tmp_path, vectors(10)))
    vector = vectors(1, seed=1)[0]
    for form in (torch.from_numpy(vector), torch.from_numpy(vector).double(), vector.tolist()):
        given = np.asarray(form) if isinstance(form, list) else form
        assert index.search(given) == index.search(vector)
    assert index.search(torch.from_numpy(vector).bfloat16())[0].score <= 1
    for value, fault in (
        (np.nan, "has nan at 5; expected"),
        (np.inf, "has inf at 5"),
        (1e99, "99 at"),
    ):
        wrong = vector.astype(np.float64)
        wrong[5] = value
        with pytest.raises(UsageError, match=fault):
            index.search(wrong)
    for words in (np.array(["a"] * DIM), vector.astype(object), vector > 0):
        with pytest.raises(UsageError, match="values; expected numbers"):
            index.search(words)
