"""LLaVA's pairs of images and captions, as a `captions.jsonl` that training takes as it is.

[{"image": path, "conversations": [question, {"from": "gpt", "value": caption}]}] -> captions.jsonl
"""

import json
from collections.abc import Iterator
from pathlib import Path

from e5v.captions import CAPTIONS
from e5v.errors import DataError
from e5v.files import replace_file
from e5v.jsonl import Wrong, parse_file

EXPECTED = '{"image": path, "conversations": [..., {"from": "gpt", "value": caption}]}'


def write_captions(folder: Path, name: str) -> None:
    """Write the `captions.jsonl` of a folder from its file of conversations.

    Raises:
        DataError: the file cannot be read, or an entry is not a pair of an image and a caption.
    """
    file = folder / name
    try:
        entries = parse_file(file)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from None
    except Wrong as wrong:
        raise DataError(f"{file} {wrong}") from None
    if not isinstance(entries, list):
        raise DataError(
            f"{file} contains a {type(entries).__name__}; expected a list of {EXPECTED}"
        )
    try:
        with replace_file(folder / CAPTIONS) as part, part.open("w", encoding="utf-8") as out:
            out.writelines(_make_lines(file, entries))
    except OSError as error:
        raise DataError(f"{folder / CAPTIONS} cannot be written: {error.strerror}") from None


def _make_lines(file: Path, entries: list[object]) -> Iterator[str]:
    for number, entry in enumerate(entries, 1):
        try:
            yield json.dumps(_make_pair(entry), ensure_ascii=False) + "\n"
        except (KeyError, TypeError, StopIteration):
            raise DataError(f"{file}, entry {number}: expected {EXPECTED}") from None


def _make_pair(entry: object) -> dict[str, str]:
    if not isinstance(entry, dict):
        raise TypeError
    answers = (turn["value"] for turn in entry["conversations"] if turn["from"] == "gpt")
    return {"image": str(entry["image"]), "text": str(next(answers))}
