"""Data that is not trained on: what is asked for, what can be found, and what is right.

triplets                   -> anchors as queries, positives and hard negatives as candidates
folder of captioned images -> captions as queries, images as candidates
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError, ItemError
from e5v.items import normalise
from e5v.training.triplets import Broken, read_triplets

CAPTIONS = "captions.jsonl"
IMAGE_KEYS = ("image", "file")
CAPTION_KEYS = ("text", "caption", "captions")
NAMED = 3  # broken rows that an error names

Candidate = str | Path  # a text, or an image's file


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Queries and candidates, each once, and which belong together.

    `truth` (q, c) marks the candidates that are true for a query, `own` (q, c) those that are the
    query's own text: it is no answer to itself, unless the data says so. `left_out` counts the rows
    beyond the limit.
    """

    queries: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    truth: NDArray[np.bool_]
    own: NDArray[np.bool_]
    left_out: int

    @classmethod
    def of(
        cls,
        pairs: Sequence[tuple[str, Candidate]],
        others: Iterable[Candidate] = (),
        *,
        left_out: int = 0,
    ) -> "HeldOut":
        """Collect pairs of a query and a true candidate; `others` are true for nobody."""
        queries = tuple(dict.fromkeys(query for query, _ in pairs))
        candidates = tuple(dict.fromkeys([*(candidate for _, candidate in pairs), *others]))
        row = {query: place for place, query in enumerate(queries)}
        column = {candidate: place for place, candidate in enumerate(candidates)}
        truth, own = np.zeros((2, len(row), len(column)), dtype=bool)
        for query, candidate in pairs:
            truth[row[query], column[candidate]] = True
        for query in row.keys() & column.keys():
            own[row[query], column[query]] = True
        return cls(queries, candidates, truth, own, left_out)

    @property
    def images(self) -> list[Path]:
        """The candidates that are images: all of them, or none."""
        return [one for one in self.candidates if isinstance(one, Path)]


def read_held_out(data: Path, limit: int) -> HeldOut:
    """Read the first `limit` rows of a file of triplets, or of a folder's captions.

    A line of `captions.jsonl` names an image of the folder and its caption, or a list of captions:
    `{"image": "cat.jpg", "text": "a cat"}`. An image may stand in several lines.

    Raises:
        DataError: the data cannot be read, or has rows that cannot be used: with others left out,
            a figure would be another figure.
    """
    return _read_captions(data, limit) if data.is_dir() else _read_triplets(data, limit)


def _read_triplets(file: Path, limit: int) -> HeldOut:
    triplets = read_triplets([file])
    _refuse(triplets.broken)
    rows = triplets.rows[:limit]
    pairs = [(row.anchor.strip(), row.positive.strip()) for row in rows]
    negatives = [row.negative.strip() for row in rows if row.negative]
    return HeldOut.of(pairs, negatives, left_out=len(triplets.rows) - len(rows))


def _read_captions(folder: Path, limit: int) -> HeldOut:
    file = folder / CAPTIONS
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror}; expected a folder of images with it"
        ) from None
    rows: list[list[tuple[str, Path]]] = []
    broken: list[Broken] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            rows.append(_captioned(line, folder))
        except json.JSONDecodeError as error:
            broken.append(Broken(file, number, f"is not JSON: {error.msg}"))
        except ItemError as error:
            broken.append(Broken(file, number, error.cause))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            broken.append(Broken(file, number, str(error)))
    _refuse(broken)
    if not rows:
        raise DataError(f'{file} is empty; expected lines like {{"image": ..., "text": ...}}')
    pairs = [pair for row in rows[:limit] for pair in row]
    return HeldOut.of(pairs, left_out=max(0, len(rows) - limit))


def _captioned(line: bytes, folder: Path) -> list[tuple[str, Path]]:
    """Return the captions of a line, each with its image; the errors say what is wrong with it."""
    row = json.loads(line)
    if not isinstance(row, dict):
        raise TypeError(f'is a {type(row).__name__}; expected {{"image": ..., "text": ...}}')
    name, captions = _first(row, IMAGE_KEYS), _first(row, CAPTION_KEYS)
    if not isinstance(name, str) or not (folder / name).is_file():
        raise ValueError(f"its image {name!r} does not exist in the folder")
    each = captions if isinstance(captions, list) else [captions]
    if not each:
        raise ValueError("has no caption")
    return [(normalise({"text": one}).texts[0].strip(), folder / name) for one in each]


def _first(row: Mapping[str, Any], keys: Sequence[str]) -> Any:
    found = [row[key] for key in keys if row.get(key) is not None]
    if not found:
        raise ValueError(f'has no "{keys[0]}"; it has {", ".join(row) or "nothing"}')
    return found[0]


def _refuse(broken: Sequence[Broken]) -> None:
    if broken:
        named = "; ".join(map(str, broken[:NAMED])) + ("; ..." if len(broken) > NAMED else "")
        raise DataError(
            f"{len(broken)} held-out rows cannot be used ({named}); repair or drop them"
        )
