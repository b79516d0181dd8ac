"""Held-out data: queries, candidates, and which candidates are true.

triplets                   -> anchors as queries, positives and hard negatives as candidates
folder of captioned images -> captions as queries, images as candidates
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e5v.captions import CAPTIONS, CaptionedImage, read_captioned
from e5v.errors import DataError, plural
from e5v.jsonl import JsonLine, LineFault, read_json_lines
from e5v.training.columns import INSTRUCTIONS, POSITIVE_INSTRUCTIONS
from e5v.training.contents import identify
from e5v.training.reading import read_triplets

NAMED = 3  # broken rows that an error names
UNMEASURED = (*INSTRUCTIONS, *POSITIVE_INSTRUCTIONS)

Candidate = str | Path  # a text, or an image's file


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Queries and candidates, each once, and which belong together.

    `truth` (q, c) marks the candidates that are true for a query, `own` (q, c) those equal to the
    query's own text: they do not compete, unless they are marked true. `left_out` counts the rows
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
        """Collect pairs of a query and a true candidate; `others` are true for none."""
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

    A line of `captions.jsonl` names an image and its caption, or a list of captions:
    `{"image": "cat.jpg", "text": "a cat"}`, as read by `e5v.captions`. Several lines may name
    one image.

    Raises:
        DataError: the data cannot be read, or has rows that cannot be used: skipping them would
            change the results.
    """
    if not data.exists():
        raise DataError(
            f"{data} does not exist; expected a file of triplets, or a folder with {CAPTIONS}",
            argument="evaluation",
        )
    return _read_captions(data, limit) if data.is_dir() else _read_triplets(data, limit)


def _read_triplets(file: Path, limit: int) -> HeldOut:
    triplets = read_triplets([file])
    _refuse(triplets.broken)
    if triplets.has_images:
        raise DataError(
            f"{file} has images; expected triplets of texts, or a folder of images with {CAPTIONS}"
        )
    if triplets.has_instructions:
        raise DataError(
            f"{file} has instructions, which validation data cannot have; leave out their columns"
        )
    rows = triplets.rows[:limit]
    pairs = [(identify(row.anchor), identify(row.positive)) for row in rows]
    negatives = [identify(item) for row in rows for item in row.negatives]
    return HeldOut.of(pairs, negatives, left_out=len(triplets.rows) - len(rows))


def _read_captions(folder: Path, limit: int) -> HeldOut:
    file = folder / CAPTIONS
    try:
        lines = list(read_captioned(file))
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror}; expected a folder of images with this file"
        ) from None
    _refuse([f"{file}, {line}" for line in lines if isinstance(line, LineFault)])
    _refuse(list(_find_unmeasured(file)))
    rows = [line for line in lines if isinstance(line, CaptionedImage)]
    if not rows:
        raise DataError(f'{file} is empty; expected lines like {{"image": ..., "text": ...}}')
    first: dict[str, Path] = {}  # one path per file: two would count as images that tie
    images = [first.setdefault(os.path.realpath(row.image), row.image) for row in rows[:limit]]
    pairs = [
        (text.strip(), image)
        for row, image in zip(rows, images, strict=False)
        for text in row.texts
    ]
    return HeldOut.of(pairs, left_out=max(0, len(rows) - limit))


def _find_unmeasured(file: Path) -> Iterator[str]:
    """Find rows with instructions, which training puts into the prompt."""
    for line in read_json_lines(file):
        if isinstance(line, JsonLine) and isinstance(line.value, dict):
            for key in UNMEASURED:
                if line.value.get(key):
                    yield (
                        f"{file}, line {line.number}: {key} is an instruction, which validation "
                        "data cannot have"
                    )


def _refuse(broken: Sequence[object]) -> None:
    if broken:
        named = "; ".join(map(str, broken[:NAMED])) + ("; ..." if len(broken) > NAMED else "")
        raise DataError(
            f"{plural(len(broken), 'held-out row')} cannot be used ({named}); fix or remove them"
        )
