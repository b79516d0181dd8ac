"""Filters, checked before a database is opened."""

import inspect
import re

import pytest

from e5v.errors import UsageError
from e5v.search.entries import FILTERED
from e5v.search.table_rows import COLUMNS
from e5v.verbs.search import Search
from e5v.verbs.where import check_filter


def test_the_columns_are_the_tables() -> None:
    """Catches a column that can be filtered on, and is refused."""
    assert set(FILTERED) == set(COLUMNS) - {"thumbnail"}


def test_the_help_names_the_columns() -> None:
    """Catches dates, cameras and places that can be filtered on, and that no help mentions."""
    told = inspect.getsource(Search).split("where: ")[1].split("duplicates: ")[0]
    assert set(FILTERED) - set(re.findall(r"\w+", told)) == {"id", "digest"}


@pytest.mark.parametrize(
    "where",
    [
        "kind = 'image'",
        "kind = 'it''s; (' AND size > 10",
        "path LIKE '%/2024/%' OR (width >= 640 AND height < 1e3)",
        "lower(text) LIKE '%cat%' AND NOT part IN (1, 2)",
        "`kind` = 'text' and \"size\" is not null",
        "cast(size as double) / 2 between 1 and 2.5 -- half; of it (",
        "regexp_like(path, '[.]jpe?g$')",
        "KIND = 'image'",
        "taken >= '2019' AND camera LIKE 'Canon%' AND latitude > 58.5 AND longitude < -10",
    ],
)
def test_a_filter_that_may_be_one(where: str) -> None:
    """Catches a filter that LanceDB takes, and that is refused before."""
    check_filter(where)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("", "it is empty"),
        ("kind = 'image", "the quote ' is not closed"),
        ("kind = `image", "the quote ` is not closed"),
        ("(kind = 'image'", "a bracket is not closed"),
        ("lower(text = 'a'", "a bracket is not closed"),
        ("kind = 'image')", "a bracket is closed that was not opened"),
        ("size > 1; size < 2", "it has a ;"),
        ("knd = 'image'", r"no column is named knd \(did you mean kind\?\)"),
        ('kind = "image"', "no column is named image; put text in single quotes"),
        ("kind = image", "no column is named image; put text in single quotes"),
    ],
)
def test_a_filter_that_cannot_be_one(where: str, reason: str) -> None:
    """Catches a mistake that is found only when an index and a model are open."""
    with pytest.raises(UsageError, match=reason):
        check_filter(where)
