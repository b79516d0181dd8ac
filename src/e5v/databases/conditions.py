"""Filters: an SQL condition as a tree, for databases that do not speak SQL.

"kind = 'image' AND path LIKE '%/2024/%'" -> Condition -> matches(entry)
                                                      -> loosen: what a database itself can check

The language is that part of SQL that is usual in filters: =, <>, <, <=, >, >=, IN, LIKE, ILIKE and
BETWEEN of a column and literals, with AND, OR, NOT and brackets.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import normalize

from e5v.errors import UsageError
from e5v.search.filters import check_number

Value = str | int
TEXTS = ("id", "path", "kind", "digest", "text")
NUMBERS = ("part", "size", "mtime", "width", "height")
COLUMNS = (*TEXTS, *NUMBERS)
TOKEN = re.compile(
    r"""\s*(?:
        (?P<comment>--[^\n]*)
      | (?P<text>'(?:[^']|'')*')
      | (?P<number>-?\d+(?![\w.]))
      | (?P<word>[A-Za-z_]\w*|"(?:[^"]|"")*"|`[^`]*`)
      | (?P<sign><=|>=|<>|!=|==|[=<>(),])
      | (?P<other>\S)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Compare:
    """A column beside a literal; `sign` is one of =, <, <=, >, >=."""

    column: str
    sign: str
    value: Value


@dataclass(frozen=True)
class OneOf:
    """A column that has one of some values, all texts or all numbers."""

    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Like:
    r"""A text that fits a pattern: % is any text, _ any character, and \ stands before either."""

    column: str
    pattern: str
    ignore_case: bool = False

    @property
    def simple(self) -> tuple[str, str] | None:
        """The pattern as "equal", "prefix", "suffix" or "substring" of a text; None if it is not.

        None, too, if the text has a quote or backslash, which databases escape differently.
        """
        inner = self.pattern.strip("%")
        if self.ignore_case or not inner or re.search(r"[%_\\\"']", inner):
            return None
        ends = self.pattern.startswith("%"), self.pattern.endswith("%")
        kinds = {(False, False): "equal", (False, True): "prefix", (True, False): "suffix"}
        return kinds.get(ends, "substring"), inner


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    part: "Condition"


@dataclass(frozen=True)
class And:
    """All of some conditions."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True)
class Or:
    """Any of some conditions."""

    parts: "tuple[Condition, ...]"


Leaf = Compare | OneOf | Like
Condition = Leaf | Not | And | Or


def read_condition(where: str) -> Condition:
    """Read a filter; texts are composed (NFC), as in the database.

    Raises:
        UsageError: it is not one condition of this language.
    """
    return _Reader(where).read()


def matches(condition: Condition, values: Mapping[str, Value]) -> bool:
    """Return whether an entry's columns fulfil a condition."""
    match condition:
        case And(parts):
            return all(matches(part, values) for part in parts)
        case Or(parts):
            return any(matches(part, values) for part in parts)
        case Not(part):
            return not matches(part, values)
        case OneOf(column, wanted):
            return values[column] in wanted
        case Like(column, pattern, ignore_case):
            found = _to_regex(pattern, ignore_case).fullmatch(str(values[column]))
            return found is not None
        case Compare(column, sign, value):
            return SIGNS[sign](values[column], value)


SIGNS: Mapping[str, Callable[[Value, Value], bool]] = {
    "=": lambda left, right: left == right,
    "<": lambda left, right: left < right,  # type: ignore[operator]
    "<=": lambda left, right: left <= right,  # type: ignore[operator]
    ">": lambda left, right: left > right,  # type: ignore[operator]
    ">=": lambda left, right: left >= right,  # type: ignore[operator]
}


def loosen(condition: Condition, is_native: Callable[[Leaf], bool]) -> Condition | None:
    """Return a condition that a database can check and that all matches fulfil; None for no such.

    It is the condition itself if the database can check all of it.
    """
    match condition:
        case And(parts):
            kept = tuple(one for part in parts if (one := loosen(part, is_native)) is not None)
            return And(kept) if kept else None
        case Or(parts):
            every = tuple(loosen(part, is_native) for part in parts)
            return None if None in every else Or(tuple(one for one in every if one is not None))
        case Not(part):
            return condition if loosen(part, is_native) == part else None
        case _:
            return condition if is_native(condition) else _loosen_pattern(condition, is_native)


def _loosen_pattern(leaf: Leaf, is_native: Callable[[Leaf], bool]) -> Leaf | None:
    """Return the search for the longest text of a pattern, if a database can do that."""
    if not isinstance(leaf, Like) or leaf.ignore_case:
        return None
    longest = max(re.split(r"\\.|[%_\\\"']", leaf.pattern), key=len)
    looser = Like(leaf.column, f"%{longest}%")
    return looser if longest and is_native(looser) else None


@lru_cache(maxsize=64)
def _to_regex(pattern: str, ignore_case: bool) -> re.Pattern[str]:  # noqa: FBT001
    pieces = re.findall(r"\\.|.", pattern, re.DOTALL)
    known = {"%": ".*", "_": "."}
    written = "".join(known.get(one) or re.escape(one[-1]) for one in pieces)
    return re.compile(written, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


class _Reader:
    """Reads a filter from left to right: OR binds least, then AND, then NOT."""

    def __init__(self, where: str) -> None:
        self._where = where
        found = TOKEN.finditer(where)
        tokens = [_Token(one.lastgroup or "", one.group(one.lastgroup or 0)) for one in found]
        self._tokens = [one for one in tokens if one.kind != "comment"]
        self._place = 0

    def read(self) -> Condition:
        condition = self._any()
        if self._place < len(self._tokens):
            raise self._fault()
        return condition

    def _any(self) -> Condition:
        parts = [self._every()]
        while self._skip("OR"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _every(self) -> Condition:
        parts = [self._one()]
        while self._skip("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Condition:
        if self._skip("NOT"):
            return Not(self._one())
        if self._skip("("):
            inner = self._any()
            self._expect(")")
            return inner
        column = self._column()
        if self._skip("NOT"):
            return Not(self._test(column))
        return self._test(column)

    def _test(self, column: str) -> Condition:
        """Read what stands after a column."""
        if self._skip("IN"):
            self._expect("(")
            values = [self._value(column)]
            while self._skip(","):
                values.append(self._value(column))
            self._expect(")")
            return OneOf(column, tuple(values))
        if self._skip("BETWEEN"):
            low = self._value(column)
            self._expect("AND")
            return And((Compare(column, ">=", low), Compare(column, "<=", self._value(column))))
        for word in ("LIKE", "ILIKE"):
            if column in TEXTS and self._skip(word):
                return Like(column, str(self._value(column)), word == "ILIKE")
        sign = self._next("sign")
        if sign in {"<>", "!="}:
            return Not(Compare(column, "=", self._value(column)))
        sign = "=" if sign == "==" else sign
        if sign not in SIGNS:
            raise self._fault(1)
        return Compare(column, sign, self._value(column))

    def _column(self) -> str:
        name = self._next("word").strip('"`').lower()
        if name not in COLUMNS:
            raise self._fault(1)
        return name

    def _value(self, column: str) -> Value:
        """Read a literal of the column's type."""
        if column in TEXTS:
            return normalize("NFC", self._next("text")[1:-1].replace("''", "'"))
        number = self._next("number")
        check_number(self._where, number)
        return int(number)

    def _next(self, kind: str) -> str:
        if self._place == len(self._tokens) or self._tokens[self._place].kind != kind:
            raise self._fault()
        self._place += 1
        return self._tokens[self._place - 1].text

    def _skip(self, text: str) -> bool:
        """Go past a word or a sign if it is the next one."""
        there = self._place < len(self._tokens)
        token = self._tokens[self._place] if there else _Token("", "")
        is_next = token.kind in {"word", "sign"} and token.text.upper() == text
        self._place += is_next
        return is_next

    def _expect(self, text: str) -> None:
        if not self._skip(text):
            raise self._fault()

    def _fault(self, back: int = 0) -> UsageError:
        """Return the error for the next token, or for one before it."""
        place = self._place - back
        what = repr(self._tokens[place].text) if place < len(self._tokens) else "its end"
        return UsageError(
            f"the filter {self._where!r} cannot be used: {what} is not expected; in a database, a "
            "filter compares columns with texts in single quotes or with whole numbers (=, <>, <, "
            "<=, >, >=, IN, LIKE, ILIKE, BETWEEN), with AND, OR, NOT and brackets, such as "
            f"\"kind = 'image'\", on {', '.join(COLUMNS)}",
            argument="where",
        )
