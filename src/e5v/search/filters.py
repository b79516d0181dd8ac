"""Check that a filter is one SQL condition and nothing more.

LanceDB's parser stops at the end of the first condition and silently ignores what follows, be it a
second statement, a condition after a forgotten AND, or an ORDER BY.
"""

from __future__ import annotations

import re

from e5v.errors import UsageError

LARGEST = 2**63 - 1  # a whole number in a column
NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`""")


def whole_condition(where: str) -> str:
    """Return a filter as SQL that is parsed as one condition, or fails to parse.

    Raises:
        UsageError: it has a semicolon, closes more brackets than it opens, or has a number that is
            larger than any in a column.
    """
    bare = QUOTED.sub("''", where)
    for number in NUMBER.findall(bare):
        check_number(where, number)
    fault = "a semicolon" if ";" in bare else "a ) without a (" if _closes_early(bare) else None
    if fault:
        raise UsageError(
            f"the filter {where!r} cannot be used: it has {fault}; expected one condition such as "
            "\"kind = 'image'\""
        )
    end = "\n" if "--" in bare else ""  # of a comment
    return f"({where}{end})"


def check_number(where: str, number: str) -> None:
    """Check that a whole number in a filter fits into a column.

    Raises:
        UsageError: it is too large.
    """
    digits = number.lstrip("-0")
    if len(digits) > len(str(LARGEST)) or int(digits or 0) > LARGEST:  # int() takes 4,300 digits
        raise UsageError(
            f"the filter {where!r} cannot be used: {number} is too large; expected whole numbers "
            f"of at most {LARGEST}",
            argument="where",
        )


def _closes_early(bare: str) -> bool:
    depth = 0
    for character in bare:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return True
    return False
