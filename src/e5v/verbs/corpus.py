"""The corpus that a verb is given: a file of items, a folder of images, or an index.

FILE | FOLDER -> items, all checked before a model is opened
"""

from collections.abc import Iterator
from pathlib import Path

from e5v.errors import DataError, ItemError, UsageError
from e5v.image_formats import suffix_of
from e5v.inputs import RawItem, normalise
from e5v.item_lines import read_items
from e5v.jsonl import LineFault, TextLine, Wrong, read_text_lines
from e5v.left_out import LeftOut
from e5v.places import refuse_url
from e5v.verbs.console import say
from e5v.verbs.input_items import InputItem
from e5v.verbs.inputs import understand
from e5v.verbs.paths import need_file, need_folder

FILES = (".jsonl", ".txt")
INDEX = "index.json"


def check_corpus(path: Path | None, name: str) -> None:
    """Check that a path is a folder, or a file that can hold items.

    Raises:
        UsageError: it does not exist, or has another format.
    """
    if path is None:
        return
    refuse_url(path, name)
    if path.is_dir():
        need_folder(path, name)
        return
    need_file(path, name)
    if suffix_of(path) not in FILES:
        raise UsageError(
            f"{name} {path} is of an unknown format; expected {', '.join(FILES)}, a folder of "
            "images, or an index"
        )


def is_index(path: Path | None) -> bool:
    """Return whether a path is the folder of an index."""
    return path is not None and (path / INDEX).is_file()


def read_corpus(path: Path, folder: Path) -> list[RawItem]:
    """Return the items of a file or a folder; a string is a text.

    `folder` is that of the training data that they are written to.

    Raises:
        DataError: a line is broken, or cannot be training data.
    """
    if path.is_dir():
        return _list_images(path)
    lines = _read_texts(path) if suffix_of(path) == ".txt" else _read_json_lines(path)
    return [_check(path, number, item, folder) for number, item in lines]


def _list_images(path: Path) -> list[RawItem]:
    left_out = LeftOut()
    found = understand(str(path), left_out)
    items = [found] if isinstance(found, InputItem) else list(found)
    if left_out:
        say(f"left out of {path}: {left_out}")
    return [normalise(item.raw) for item in items]


def _read_texts(path: Path) -> Iterator[tuple[int, RawItem]]:
    for line in read_text_lines(path):
        if not isinstance(line, TextLine):
            raise DataError(f"{path}, {line}", argument="corpus")
        yield line.number, line.text


def _read_json_lines(path: Path) -> Iterator[tuple[int, RawItem]]:
    for line in read_items(path):
        if isinstance(line, LineFault):
            raise DataError(f"{path}, {line}", argument="corpus")
        yield line.number, line.raw


def _check(path: Path, number: int, raw: RawItem, folder: Path) -> RawItem:
    """Return an item that can be written as training data; a text alone as a string."""
    from e5v.training.cells import UnusableError
    from e5v.training.triplet_lines import make_cell

    try:
        item = normalise({"text": raw} if isinstance(raw, str) and path.suffix == ".txt" else raw)
        checked = item.texts[0] if len(item.parts) == 1 and item.texts else item
        make_cell(checked, folder)
    except (UnusableError, ItemError, Wrong) as error:
        cause = error.cause if isinstance(error, ItemError) else str(error)
        raise DataError(f"{path}, line {number}: {cause}", argument="corpus") from None
    return checked
