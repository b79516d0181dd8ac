"""JSON lines to index: each line has a text, or an image and its captions.

file -> {"text": ...} | {"image": path, "caption": ...} -> Line, or WrongLine with a reason

Keys and paths follow the rule of `e5v.captions`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from e5v.captions import read_captions
from e5v.jsonl import LineFault

WrongLine = LineFault


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `image` is an absolute path; `text` is the text, or its captions, one per line."""

    number: int
    text: str
    image: str | None = None


def read_lines(path: str) -> Iterator[Line | WrongLine]:
    """Read a file line by line.

    Raises:
        OSError: it cannot be read.
    """
    for line in read_captions(Path(path)):
        if isinstance(line, WrongLine):
            yield line
        else:
            image = None if line.image is None else os.path.normpath(line.image)
            yield Line(line.number, "\n".join(line.texts), image)
