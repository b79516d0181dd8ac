"""Check that a filter is one SQL condition and nothing more.

LanceDB's parser stops at the end of the first condition and silently ignores what follows, be it a
second statement, a condition after a forgotten AND, or an ORDER BY.
"""

from __future__ import annotations

import re

from e5v.errors import UsageError

QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`""")


def whole_condition(where: str) -> str:
    """Return a filter as SQL that is parsed as one condition, or fails to parse.

    Raises:
        UsageError: it has a semicolon, or closes more brackets than it opens.
    """
    bare = QUOTED.sub("''", where)
    fault = "a semicolon" if ";" in bare else "a ) without a (" if _closes_early(bare) else None
    if fault:
        raise UsageError(
            f"the filter {where!r} cannot be used: it has {fault}; expected one condition such as "
            "\"kind = 'image'\""
        )
    end = "\n" if "--" in bare else ""  # of a comment
    return f"({where}{end})"


def _closes_early(bare: str) -> bool:
    depth = 0
    for character in bare:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return True
    return False
