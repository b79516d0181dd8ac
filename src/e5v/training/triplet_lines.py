"""Write triplets as JSON lines that `read_triplets` reads again.

Triplet -> cells: a text, or an object with images and texts -> a line -> file, replaced whole
"""

import base64
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from e5v.errors import DataError, first_line
from e5v.files import replace_file
from e5v.inputs import Image, Item, RawItem
from e5v.jsonl import find_surrogate
from e5v.training.cells import UnusableError, as_item, read_items
from e5v.training.triplets import Triplet


def write_triplets(file: Path, rows: Iterable[Triplet]) -> None:
    """Write rows with their instructions; images by path, relative to the file's folder if in it.

    One negative is `negative`, several are `negative_1`, `negative_2` and so on.

    Raises:
        DataError: the file cannot be written; nothing of that name has changed.
        UnusableError: an item cannot be written (see `make_cell`).
    """
    folder = file.resolve().parent
    try:
        with replace_file(file) as part, part.open("w", encoding="utf-8") as lines:
            for row in rows:
                lines.write(json.dumps(dict(_name_cells(row, folder)), ensure_ascii=False) + "\n")
    except OSError as error:
        raise DataError(
            f"{file} cannot be written: {error.strerror or first_line(error)}", argument="out"
        ) from error


def _name_cells(row: Triplet, folder: Path) -> Iterator[tuple[str, object]]:
    yield "anchor", make_cell(row.anchor, folder)
    yield "positive", make_cell(row.positive, folder)
    many = len(row.negatives) > 1
    for number, item in enumerate(row.negatives, 1):
        yield f"negative_{number}" if many else "negative", make_cell(item, folder)
    if row.instruction:
        yield "instruction", row.instruction
    if row.positive_instruction:
        yield "positive_instruction", row.positive_instruction


def make_cell(raw: RawItem, folder: Path) -> object:
    """Return an item as a cell of JSON lines in `folder`, checked by reading it again.

    Raises:
        UnusableError: training data cannot hold it: a text that names an image, a system turn,
            a text before an image, or a path that is not UTF-8.
    """
    if isinstance(raw, str):
        cell: object = raw
    else:
        cell = _make_object(as_item(raw), folder)
    again = read_items({"item": cell}, ("item",), str(folder))
    if not again or _outline(again[0]) != _outline(raw):
        raise UnusableError("item cannot be written as training data: images come before texts")
    return cell


def _make_object(item: Item, folder: Path) -> object:
    if item.system is not None:
        raise UnusableError("item has a system turn, which is not trained on")
    if not item.images:
        return item.texts[0] if len(item.texts) == 1 else {"text": list(item.texts)}
    cell: dict[str, Any] = {}
    encoded = any(not isinstance(image.source, Path) for image in item.images)
    images = [_encode(image) if encoded else _name(image, folder) for image in item.images]
    cell["base64" if encoded else "image"] = images if len(images) > 1 else images[0]
    if item.texts:
        cell["text"] = list(item.texts) if len(item.texts) > 1 else item.texts[0]
    return cell


def _name(image: Image, folder: Path) -> str:
    """Return the path of an image: relative if it is in the folder, otherwise absolute."""
    path = os.path.abspath(str(image.source))  # noqa: PTH100  a link stays a link
    if find_surrogate(path) is not None:
        raise UnusableError(f"item names the image {path!a}, whose name is not UTF-8; rename it")
    name = os.path.relpath(path, folder)
    return path if name.startswith("..") else name


def _encode(image: Image) -> str:
    """Return an image without a file as base64."""
    source = image.source
    if isinstance(source, Path):
        source = source.read_bytes()
    if not isinstance(source, bytes):
        raise UnusableError("item has a PIL image, which has no file; save it first")
    return base64.b64encode(source).decode()


def _outline(raw: RawItem) -> list[str]:
    """Return the parts of an item in short: its texts, and that there is an image."""
    parts = as_item(raw).parts
    return ["\0image" if isinstance(part, Image) else part.text for part in parts]
