"""Filters of a search: applied before the best are chosen, and errors in one line."""

from dataclasses import replace
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import numpy as np
import pytest

from e5v.errors import UsageError
from e5v.search.index import Index
from tests.search.made import change, fill, found, ids, records, vectors


def test_a_filter_and_a_least_score(tmp_path: Path) -> None:
    """Catches a filter applied after the best were chosen, and a score that is not one."""
    rows = vectors(300)
    index = Index.open(fill(tmp_path, rows))
    query = vectors(1, seed=1)[0]
    scores = rows @ query
    odd = 1 + 2 * np.argsort(-scores[1::2])
    assert found(index.search(query, k=5, where="kind = 'text'")) == ids(odd[:5])
    assert found(index.search(query, where="path = '/made/00007.txt'")) == ["id00007"]
    assert index.search(query, where="size < 0") == []
    least = float(np.sort(scores)[-4]) - 2e-3
    hits = index.search(query, k=20, min_score=least)
    assert found(hits) == ids(np.argsort(-scores)[: len(hits)])
    assert 4 <= len(hits) < 20


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_filter_finds_names_in_either_form(tmp_path: Path, form: Literal["NFC", "NFD"]) -> None:
    """Catches a file name from macOS that a filter typed elsewhere does not match."""
    rows = vectors(3)
    names = ["caf\u00e9.jpg", "cafe\u0301.jpg", "cafe.jpg"]
    made = [
        replace(one, entry=replace(one.entry, path=f"/made/{name}"))
        for one, name in zip(records(rows), names, strict=True)
    ]
    index = Index.open(change(tmp_path, lambda writer: writer.commit(made, [])))
    for where, expected in (("LIKE", {0, 1}), ("NOT LIKE", {2})):
        typed = normalize(form, f"path {where} '%\u00e9%'")
        hits = index.search(rows[0], where=typed)
        assert set(found(hits)) == set(ids(sorted(expected)))
        assert {hit.entry.path for hit in hits} == {f"/made/{names[one]}" for one in expected}


@pytest.mark.parametrize(
    "where", ["knd = 'text'", "kind = ", "kind == 3", "drop table", "kind", "kind = 'text", ""]
)
def test_a_filter_that_cannot_be_is_told_in_one_line(tmp_path: Path, where: str) -> None:
    """Catches a traceback, or a whole stack of Lance's own, for a typing error."""
    index = Index.open(fill(tmp_path, vectors(10)))
    with pytest.raises(UsageError, match=r"the filter .* cannot be used: .* expected") as error:
        index.search(vectors(1)[0], where=where)
    assert "\n" not in str(error.value)
    assert ".rs" not in str(error.value)
