"""`--where` of `e5v search`, checked as far as that needs no database.

filter -> tokens -> quotes, brackets and names of columns checked; the grammar is left to LanceDB
"""

import re
from difflib import get_close_matches

from e5v.errors import UsageError
from e5v.search.entries import FILTERED

EXAMPLE = "\"kind = 'image'\""
TOKEN = re.compile(
    r"""\s*(?:
        --[^\n]*
      | (?P<string>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*"|`[^`]*`)
      | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_]\w*)(?P<call>\s*\()?
      | (?P<other>\S)
    )""",
    re.VERBOSE,
)
SQL_WORDS = "and or not in is null like ilike between true false escape case when then else end"
SQL_TYPES = "int integer bigint smallint float double real string varchar boolean date timestamp"
OTHER_WORDS = "cast as similar to regexp rlike interval distinct from"
WORDS = frozenset(f"{SQL_WORDS} {SQL_TYPES} {OTHER_WORDS}".split())


def check_filter(where: str) -> None:
    """Check quotes, brackets and the names of columns in a filter.

    Raises:
        UsageError: the filter cannot be a condition.
    """
    if not where.strip():
        raise _make_error(where, "it is empty")
    depth = 0
    for token in TOKEN.finditer(where):
        if token["call"]:
            depth += 1
        elif token["other"]:
            depth = _check_sign(where, token["other"], depth)
        elif token["name"] or token["quoted"]:
            _check_name(where, token["name"] or token["quoted"][1:-1], quoted=bool(token["quoted"]))
    if depth:
        raise _make_error(where, "a bracket is not closed")


def _check_sign(where: str, sign: str, depth: int) -> int:
    """Return how many brackets are open after a sign."""
    if sign in {"'", '"', "`"}:
        raise _make_error(where, f"the quote {sign} is not closed")
    if sign == ";":
        raise _make_error(where, "it has a ;, and only one condition is possible")
    depth += (sign == "(") - (sign == ")")
    if depth < 0:
        raise _make_error(where, "a bracket is closed that was not opened")
    return depth


def _check_name(where: str, name: str, *, quoted: bool) -> None:
    if name.lower() in FILTERED or (not quoted and name.lower() in WORDS):
        return
    near = get_close_matches(name.lower(), FILTERED, n=1, cutoff=0.75)
    meant = f" (did you mean {near[0]}?)" if near else ""
    text = "; put text in single quotes" if quoted or not near else ""
    raise _make_error(where, f"no column is named {name}{meant}{text}")


def _make_error(where: str, reason: str) -> UsageError:
    return UsageError(
        f"the filter {where!r} cannot be used: {reason}; expected a condition such as {EXAMPLE} "
        f"on {', '.join(FILTERED)}",
        argument="where",
    )
