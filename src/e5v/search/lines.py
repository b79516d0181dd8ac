"""JSON lines that tell of things to index: a text, or an image and its caption, on each.

file -> {"text": ...} | {"image": path, "caption": ...} -> Line, or why a line is none
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """What one line tells of; `image` is a whole path, and `text` is then its caption."""

    number: int
    text: str
    image: str | None = None


@dataclass(frozen=True, slots=True)
class WrongLine:
    """A line that tells of nothing, and why."""

    number: int
    reason: str


def read_lines(path: str) -> Iterator[Line | WrongLine]:
    """Read a file line by line; images are named from its folder, or from images/ in it.

    Raises:
        OSError: it cannot be read.
    """
    folder = os.path.dirname(path)  # noqa: PTH120
    with open(path, "rb") as file:  # noqa: PTH123
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _line(line, number, folder)


def _line(line: bytes, number: int, folder: str) -> Line | WrongLine:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        return WrongLine(number, f"is not JSON: {getattr(error, 'msg', error)}")
    if reason := _fault(told):
        return WrongLine(number, reason)
    image = told.get("image")
    return Line(number, _text(told), _find(folder, image) if image else None)


def _fault(told: Any) -> str:
    """Say why a value tells of nothing; empty if it tells of something."""
    if not isinstance(told, dict):
        return f"is no object; expected {EXPECTED}"
    if "target" in told:
        return "is an edit with a target, to evaluate on, and nothing to index"
    image, text = told.get("image") or "", _text(told)
    if not (isinstance(image, str) and isinstance(text, str)):
        return f"has a value that is no string; expected {EXPECTED}"
    if not (image or text.strip()):
        return f"tells of no text or image (its keys: {', '.join(map(repr, told))[:80]})"
    try:
        f"{image}{text}".encode()
    except UnicodeEncodeError:
        return "has half a surrogate pair"
    return ""


def _find(folder: str, image: str) -> str:
    """Return the whole path of an image, as `e5v evaluate` finds it, too."""
    beside, within = (
        os.path.normpath(os.path.join(folder, *inner, image))  # noqa: PTH118
        for inner in ((), ("images",))
    )
    return within if os.path.exists(within) and not os.path.exists(beside) else beside  # noqa: PTH110


EXPECTED = '{"text": ...} or {"image": path, "caption": ...}'


def _text(told: dict[str, Any]) -> Any:
    """Return the text or caption of a line, "" if it has none."""
    text = told.get("caption")
    return (told.get("text") or "") if text is None else text
