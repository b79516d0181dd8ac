"""What a verb's record says of its options, and what is checked of every one of them.

dataclass -> Option, one for each field, nested ones included -> values checked, paths made whole
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from tyro.conf import Positional, UseAppendAction

from e5v.errors import UsageError
from e5v.image_names import file_of_url
from e5v.places import find_store, refuse_url

MODELS = frozenset({"--model", "MODEL", "SOURCE"})  # may be a folder, too
Record = TypeVar("Record")


@dataclass(frozen=True)
class Option:
    """One field of a verb's record.

    `name` is the Python argument, `flags` are what is typed (none if it is positional), `kind` is
    the type without annotations.
    """

    name: str
    flags: tuple[str, ...]
    kind: object
    repeatable: bool = False

    @property
    def is_positional(self) -> bool:
        """Whether it is known by its place among the arguments."""
        return not self.flags

    @property
    def is_list(self) -> bool:
        """Whether several values may follow it."""
        return get_args(self.kind)[-1:] == (Ellipsis,) and not self.repeatable


def options_of(record: type[Any]) -> list[Option]:
    """List the options of a verb, in the order of its fields."""
    options: list[Option] = []
    hints = get_type_hints(record, include_extras=True)
    for field in fields(record):
        kind, *notes = _split_hint(hints[field.name])
        if is_dataclass(kind) and isinstance(kind, type):
            options += options_of(kind)
            continue
        aliases = [alias for note in notes for alias in getattr(note, "aliases", None) or ()]
        flags = () if Positional in notes else (*aliases, flag_of(field.name))
        flags = tuple(dict.fromkeys(reversed(flags)))  # the long one first, and once
        options.append(Option(field.name, flags, kind, UseAppendAction in notes))
    return options


def name_option(argument: str | None, options: Sequence[Option]) -> str:
    """Return " (--option)" for a Python argument that a verb has as an option, or nothing."""
    flags = (option.flags[0] for option in options if option.name == argument and option.flags)
    return next((f" ({flag})" for flag in flags), "")


def flag_of(name: str) -> str:
    """Return the option that sets a Python argument; -k is short already."""
    return f"-{name}" if name == "k" else f"--{name.replace('_', '-')}"


def _split_hint(hint: object) -> tuple[object, ...]:
    """Split `Annotated[kind, note, ...]` into kind and notes."""
    return get_args(hint) if get_origin(hint) is Annotated else (hint,)


def suggest(word: str, known: Sequence[str]) -> str:
    """Return "; did you mean ...?" with the nearest of the known words, or nothing."""
    word = word.lower()
    begins = [one for one in known if one.startswith("--") and word.startswith(one)]
    near = (
        get_close_matches(word, known, n=1, cutoff=0.8)
        or sorted(begins, key=len, reverse=True)
        or get_close_matches(word, known, n=1)
    )
    return f"; did you mean {near[0]}?" if near else ""


def need_at_least_1(record: object, *names: str) -> None:
    """Check that numbers of a record are at least 1 where they are given.

    Raises:
        UsageError: one is less; names its option.
    """
    for name in names:
        value = getattr(record, name)
        if value is not None and value < 1:
            raise UsageError(f"{flag_of(name)} is {value}; expected at least 1")


class AtStores:
    """Marks a path, in its annotation, that may be a place in an object store."""


def check_values(record: Record, arguments: Sequence[str] = ()) -> Record:
    """Return a verb's record with `~` replaced in its paths, once every value is checked.

    `arguments` are those that the record was read from: they say whether a path was left empty.

    Raises:
        UsageError: a path is empty or a URL, or a number is infinite or not a number.
    """
    changed: dict[str, object] = {}
    hints = get_type_hints(type(record), include_extras=True)
    for field in fields(record):  # type: ignore[arg-type]
        value = getattr(record, field.name)
        notes = _split_hint(hints[field.name])[1:]
        if AtStores in notes and isinstance(value, Path) and find_store(value):
            continue
        checked = _check_value(value, _find_shown_name(field.name, notes), arguments)
        if checked is not value:
            changed[field.name] = checked
    return replace(record, **changed) if changed else record  # type: ignore[type-var]


def _find_shown_name(name: str, notes: Sequence[object]) -> str:
    """Return how an argument is named to users: its option, or what its help calls it."""
    if Positional not in notes:
        return flag_of(name)
    metavars = (getattr(note, "metavar", None) for note in notes)
    return next(filter(None, metavars), name).strip("[]").partition(" ")[0]


def _check_value(value: object, name: str, arguments: Sequence[str]) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return check_values(value, arguments)
    if isinstance(value, tuple):
        checked = tuple(_check_value(one, name, arguments) for one in value)
        return value if checked == value else checked
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{name} is {value}; expected a finite number")
    if isinstance(value, Path):
        return _check_path(value, name, arguments)
    if isinstance(value, str) and name in MODELS and value.startswith("~"):
        return str(_check_path(Path(value), name, arguments))
    return value


def _check_path(path: Path, name: str, arguments: Sequence[str]) -> Path:
    empty = {"", f"{name}="}
    if path == Path() and not empty.isdisjoint(arguments):
        raise UsageError(f"{name} is empty; expected a path")
    try:
        path = file_of_url(str(path)) or path  # of file:///home, Path has kept one slash
    except ValueError as error:
        raise UsageError(f"{name} {path} {error}") from None
    refuse_url(path, name)
    try:
        return path.expanduser()
    except RuntimeError:  # ~somebody who has no home
        return path
