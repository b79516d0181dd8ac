"""The settings of "photos", as the package has them: numbers, class names, chat template.

settings.json -> PhotosSettings | classes.tsv -> ClassName, one for each class of ImageNet

The numbers were chosen on photographs; the digest is that of the checkpoint they give. Whoever
changes one of them is told the new digest by `e5v assemble photos`, and trains the adapter anew.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from e5v.errors import DataError
from e5v.model.bundled import SETTINGS

CLASSES = "classes.tsv"
TEMPLATE = "chat_template.jinja"
COUNT = 1000  # classes of ImageNet
DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class PhotosSettings:
    """How the parts are joined, and the digest of the result (`digest_of`).

    A class is silent in a cell of the image below `threshold`, a logit; above it it rises with
    `slope`. `context` is the share of the whole image in each cell, 0 to 1.

    The other numbers say which vector a class puts into a cell: the words of the table count with
    the weight of their column; `mean_share` is the length of the mean word embedding in it,
    relative to that of the words; `scale` is the length of the words, relative to a word embedding,
    when the channel is 1. `mean_bias` times the mean word embedding is in every cell.
    """

    threshold: float
    slope: float
    context: float
    name_weight: float
    hypernym_weight: float
    implied_weight: float
    mean_share: float
    mean_bias: float
    scale: float
    digest: str

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            DataError: names the setting.
        """
        if not 0 <= self.context <= 1:
            raise DataError(f"context is {self.context}; expected 0 to 1")
        for name in ("slope", "name_weight", "scale"):
            if not getattr(self, name) > 0:
                raise DataError(f"{name} is {getattr(self, name)}; expected more than 0")
        for name in ("hypernym_weight", "implied_weight", "mean_share", "mean_bias"):
            if not getattr(self, name) >= 0:
                raise DataError(f"{name} is {getattr(self, name)}; expected at least 0")
        if not DIGEST.fullmatch(self.digest):
            raise DataError(f"digest is {self.digest}; expected 64 hexadecimal digits")


@dataclass(frozen=True)
class ClassName:
    """A class in words: its own name, the kind of thing it is, and what is seen with it."""

    name: str
    hypernyms: tuple[str, ...] = ()
    implied: tuple[str, ...] = ()


def read_settings(folder: Path) -> PhotosSettings:
    """Read settings.json of a folder.

    Raises:
        DataError: it cannot be read, or a setting is missing, unknown or out of range.
    """
    file = folder / SETTINGS
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        _check_names(stored)
        return PhotosSettings(**stored)
    except (OSError, ValueError, TypeError, AttributeError, DataError) as error:
        raise DataError(f"{file} cannot be used: {error}") from None


def _check_names(stored: Mapping[str, object]) -> None:
    expected = {field.name: field.type for field in fields(PhotosSettings)}
    if stored.keys() != expected.keys():
        wrong = ", ".join(sorted(stored.keys() ^ expected.keys()))
        raise DataError(f"missing or unknown settings: {wrong}")
    for name, value in stored.items():
        number = isinstance(value, int | float) and math.isfinite(value)
        if not (isinstance(value, str) if expected[name] is str else number):
            raise DataError(f"{name} is {value!r}; expected a {expected[name].__name__}")  # type: ignore[union-attr]


def read_classes(file: Path) -> list[ClassName]:
    """Read the table of classes: a line each, in ImageNet's order, with three columns.

    A line is the name, a tab, hypernyms, a tab, implied words; several are separated by commas.

    Raises:
        DataError: it cannot be read, or has another number of lines or columns.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}") from None
    if len(lines) != COUNT:
        raise DataError(f"{file} has {len(lines)} lines; expected one for each of {COUNT} classes")
    return [_read_class(line, f"{file}, line {number}") for number, line in enumerate(lines, 1)]


def _read_class(line: str, where: str) -> ClassName:
    columns = [tuple(filter(None, map(str.strip, cell.split(",")))) for cell in line.split("\t")]
    if len(columns) != 3 or len(columns[0]) != 1:  # noqa: PLR2004
        raise DataError(f"{where} is {line!r}; expected a name, hypernyms, implied words")
    return ClassName(columns[0][0], columns[1], columns[2])
