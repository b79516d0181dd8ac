"""Filters: one condition, or an error; never the beginning of what was written."""

from pathlib import Path

import pytest

from e5v.errors import UsageError
from e5v.search.filters import whole_condition
from e5v.search.index import Index
from tests.search.made import fill, vectors


@pytest.mark.parametrize(
    "where",
    [
        "kind = 'image'; DROP TABLE entries",
        "kind = 'image';",
        ";",
        "kind = 'image') OR (size > 0",
        ") (",
    ],
)
def test_more_than_a_condition_is_refused(where: str) -> None:
    """Catches `;` and what follows it, which LanceDB ignores without a word."""
    with pytest.raises(UsageError, match="expected one condition"):
        whole_condition(where)


@pytest.mark.parametrize(
    "where",
    [
        "kind = 'a;b'",
        "path = 'it''s; )'",
        "\"kind\" = 'x'",
        "(size > 0) AND (kind = ')')",
        "`a;b` = 1",
    ],
)
def test_quoted_marks_are_taken(where: str) -> None:
    """Catches a file name with a semicolon that cannot be searched for."""
    assert whole_condition(where) == f"({where})"


@pytest.mark.parametrize(
    "where",
    [
        "kind = 'text'; DROP TABLE entries",
        "kind = 'text' garbage",
        "kind = 'text' size > 0",
        "kind = 'text' ORDER BY size",
        "kind = 'text' LIMIT 1",
        "kind = 'text') AND (size > 0",
    ],
)
def test_the_index_answers_no_part_of_a_filter(tmp_path: Path, where: str) -> None:
    """Catches a filter that is cut after its first condition, and answered as if that were all."""
    index = Index.open(fill(tmp_path, vectors(10)))
    with pytest.raises(UsageError, match=r"the filter .* cannot be used: .* expected") as error:
        index.search(vectors(1)[0], where=where)
    assert "\n" not in str(error.value)
    assert str(error.value).count("cannot be used") == 1


def test_a_comment_ends_nothing(tmp_path: Path) -> None:
    """Catches a bracket of ours that a comment swallows."""
    index = Index.open(fill(tmp_path, vectors(10)))
    hits = index.search(vectors(1)[0], where="kind = 'text' -- not the pictures")
    assert {hit.entry.kind for hit in hits} == {"text"}


@pytest.mark.parametrize(
    "where",
    [
        "size > 9223372036854775808",
        "size IN (1, 99999999999999999999)",
        "part=-9999999999999999999",
        f"size > {'9' * 5_000}",
    ],
)
def test_a_number_that_no_column_has(where: str) -> None:
    """Catches an error of LanceDB's that says nothing of the number."""
    with pytest.raises(UsageError, match="is too large; expected whole numbers of at most 92233"):
        whole_condition(where)


def test_large_numbers_are_taken(tmp_path: Path) -> None:
    """Catches digits of a text, or the largest number of a column, taken for too large."""
    index = Index.open(fill(tmp_path, vectors(10)))
    for where in ("size <= 9223372036854775807", "text <> '99999999999999999999'"):
        assert index.search(vectors(1)[0], where=where)
    with pytest.raises(UsageError, match=r"used: 10+ cannot be compared with a column of type I"):
        index.search(vectors(1)[0], where="size < 1e30")
