"""Filters without SQL: read as they are meant, and checked in part by a database."""

import pytest

from e5v.databases.conditions import (
    And,
    Compare,
    Leaf,
    Like,
    Not,
    Or,
    loosen,
    matches,
    read_condition,
)
from e5v.errors import UsageError

ENTRY: dict[str, str | int] = {
    "id": "i",
    "path": "/photos/2024/café 100%.jpg",
    "kind": "image",
    "digest": "d",
    "text": "it's a cat",
    "part": 0,
    "size": 1_000,
    "mtime": 1_700_000_000_000_000_000,
    "width": 64,
    "height": 48,
}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("kind = 'image'", True),
        ("KIND <> 'image' or size >= 1000 and not width in (1, 2)", True),
        ("(kind != 'image' or size > 1000) and width = 64", False),
        ("text = 'it''s a cat' -- a comment", True),
        ("path LIKE '/photos/%' AND path NOT LIKE '%.png'", True),
        ("path like '%cafe\u0301%'", True),  # decomposed
        ("path LIKE '%100\\%.jpg'", True),
        ("path LIKE '%/2_24/%'", True),
        ("path LIKE '%10_0%'", False),
        ("path LIKE '%JPG'", False),
        ("path ILIKE '%JPG'", True),
        ("size BETWEEN 1 AND 999 OR mtime > 1699999999999999999", True),
        ("\"kind\" NOT IN ('text')", True),
        ("path < '/q'", True),
    ],
)
def test_what_a_filter_means(where: str, expected: bool) -> None:  # noqa: FBT001
    """Catches a wrong precedence, quote, wildcard or escape."""
    assert matches(read_condition(where), ENTRY) is expected


@pytest.mark.parametrize(
    "where",
    [
        *(
            "kind",
            "kind =",
            "kind = image",
            "kind = 3",
            "size = 'a'",
            "size = 1.5",
            "size LIKE '1'",
        ),
        *("knd = 'a'", "kind = 'a' size = 1", "(kind = 'a'", "kind IS NULL", "size IN ()"),
        *("lower(kind) = 'a'", "kind = 'a';", "size = 1e3", "'a' = kind"),
    ],
)
def test_what_is_no_filter(where: str) -> None:
    """Catches a filter of which a part is ignored."""
    with pytest.raises(UsageError, match="is not expected; in a database, a filter") as raised:
        read_condition(where)
    assert "\n" not in str(raised.value)


def test_a_number_that_no_column_has() -> None:
    """Catches a filter that Qdrant answers with nothing, and that Milvus is blamed for."""
    read_condition("size < 9223372036854775807")
    with pytest.raises(UsageError, match="99999999999999999999 is too large; expected whole"):
        read_condition("size < 99999999999999999999")


def test_what_a_database_cannot_check_is_left_to_us() -> None:
    """Catches a looser condition that leaves out an entry which the whole one matches."""
    image, large = Compare("kind", "=", "image"), Compare("size", ">", 9)
    odd, text = Like("path", "%ab_c%"), Like("path", "%ab%")

    def is_native(leaf: Leaf) -> bool:
        return not isinstance(leaf, Like) or leaf.simple is not None

    assert loosen(And((image, odd)), is_native) == And((image, text))
    assert loosen(Or((image, odd)), is_native) == Or((image, text))
    assert loosen(And((image, Not(odd))), is_native) == And((image,))
    assert loosen(Or((image, Not(odd))), is_native) is None
    assert loosen(Not(And((image, large))), is_native) == Not(And((image, large)))
    assert loosen(Like("path", "%a%", ignore_case=True), is_native) is None
    assert [Like("path", one).simple for one in ("a", "a%", "%a", "%a%", "a%b", "%")] == [
        ("equal", "a"),
        ("prefix", "a"),
        ("suffix", "a"),
        ("substring", "a"),
        None,
        None,
    ]
