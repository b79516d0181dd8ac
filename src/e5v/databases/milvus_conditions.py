"""Filters as expressions of Milvus.

Condition -> 'kind == "image" and (path like "%/2024/%")'
"""

import json

from e5v.databases.conditions import And, Compare, Condition, Leaf, Like, Not, OneOf, Or


def is_native(leaf: Leaf) -> bool:
    """Return whether Milvus has such a condition, for texts that need no escaping."""
    match leaf:
        case Like():
            return leaf.simple is not None and leaf.simple[1].isprintable()
        case OneOf(values=values):
            return all(map(_is_plain, values))
        case Compare(value=value):
            return _is_plain(value)


def _is_plain(value: object) -> bool:
    """Return whether a literal is written without escapes."""
    return not isinstance(value, str) or (value.isprintable() and not set(value) & set("\\\"'"))


SIGNS = {"=": "=="}
PATTERNS = {"equal": "{}", "prefix": "{}%", "suffix": "%{}", "substring": "%{}%"}


def to_expression(condition: Condition) -> str:
    """Return the expression of a condition, all of whose leaves are native."""
    match condition:
        case And(parts):
            return " and ".join(f"({to_expression(part)})" for part in parts)
        case Or(parts):
            return " or ".join(f"({to_expression(part)})" for part in parts)
        case Not(part):
            return f"not ({to_expression(part)})"
        case OneOf(column, values):
            return f"{column} in [{', '.join(map(_literal, values))}]"
        case Like(column, _):
            kind, text = condition.simple or ("equal", "")
            return f"{column} like {_literal(PATTERNS[kind].format(text))}"
        case Compare(column, sign, value):
            return f"{column} {SIGNS.get(sign, sign)} {_literal(value)}"


def _literal(value: str | int) -> str:
    return json.dumps(value, ensure_ascii=False)
