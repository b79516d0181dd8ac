"""The arguments of a verb, as a stream of items.

texts | image files | folders | JSON lines -> InputItem, one by one, in order
"""

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from e5v.errors import DataError, E5VError, ItemError, UsageError
from e5v.image_folders import list_images
from e5v.image_formats import IMAGE_SUFFIXES, suffix_of
from e5v.image_names import ROOTS, file_of_url, find_image_file, looks_like_image, strip
from e5v.inputs import RawItem, normalise
from e5v.item_lines import check_items, read_items
from e5v.jsonl import LineFault
from e5v.left_out import LeftOut
from e5v.places import is_url

OTHER_SUFFIXES = frozenset({".txt", ".md", ".json", ".csv", ".tsv", ".parquet"})
SHOWN = 80  # characters of a data URI that are repeated in the output


@dataclass(frozen=True)
class InputItem:
    """One item that a user asked for.

    `label` is what stands for it in the output; `kind` is text, image or mixture. `fault` says why
    there is nothing to embed; `raw` is then None, which the embedder refuses at its position.
    """

    raw: RawItem
    label: Mapping[str, object]
    kind: str
    fault: str | None = None


@dataclass(frozen=True)
class ItemFile:
    """A .jsonl file of items, read anew at each pass."""

    path: Path

    def __iter__(self) -> Iterator[InputItem]:
        """Read every item in order."""
        return _read_lines(self.path)


@dataclass(frozen=True)
class Inputs:
    """The items of one command, to be read once; a folder or JSON lines are read on the way."""

    sources: tuple[InputItem | Iterable[InputItem], ...]
    left_out: LeftOut = field(default_factory=LeftOut)
    """Files of folders that are not images, counted as they are read."""

    @property
    def count(self) -> int | None:
        """How many items there are, where that is known before they are read."""
        known = all(isinstance(source, InputItem) for source in self.sources)
        return len(self.sources) if known else None

    def check(self) -> None:
        """Find what is missing or broken before a model is opened; stdin cannot be read twice.

        No image is opened.

        Raises:
            UsageError: an argument is a file that does not exist or cannot be embedded.
            DataError: a line of a .jsonl file is broken, or names a missing image.
        """
        for source in self.sources:
            if isinstance(source, InputItem) and (
                fault := source.fault or _explain_refusal(source.raw)
            ):
                raise UsageError(fault)
        for source in self.sources:
            faults = (
                list(itertools.islice(check_items(source.path), 1))
                if isinstance(source, ItemFile)
                else []
            )
            if faults and isinstance(source, ItemFile):
                raise DataError(f"{source.path}, {faults[0]}", argument="skip_errors")

    def begin(self) -> Iterator[InputItem]:
        """Read the first item, and return all of them in order.

        Raises:
            E5VError: there is no item.
        """
        asked = iter(self)
        first = next(asked, None)
        if first is None:
            raise E5VError("nothing to encode: no item was given")
        return itertools.chain([first], asked)

    def __iter__(self) -> Iterator[InputItem]:
        """Read every item in order."""
        for source in self.sources:
            yield from [source] if isinstance(source, InputItem) else source


def gather(arguments: Iterable[str], texts: Iterable[str] = ()) -> Inputs:
    """Understand arguments, then texts that are nothing but texts.

    Raises:
        UsageError: an argument is a folder without images, or stdin is named twice.
    """
    arguments = tuple(arguments)
    if arguments.count("-") > 1:
        raise UsageError("- is given twice, but stdin can be read only once; remove one")
    left_out = LeftOut()
    plain = (InputItem({"text": text}, {"text": text}, "text") for text in texts)
    asked = [understand(argument, left_out) for argument in arguments]
    return Inputs((*asked, *plain), left_out)


def understand(argument: str, left_out: LeftOut | None = None) -> InputItem | Iterable[InputItem]:
    """Return what one argument stands for.

    `-` is JSON lines on stdin and a name ending in .jsonl a file of them; a folder is walked for
    images in order of path, hidden ones left out; a name ending in an image suffix is an image;
    all else is text. Files of a folder that are no images are counted in `left_out`.

    Raises:
        UsageError: it is a folder without images, or stdin is closed.
    """
    if argument == "-":
        if sys.stdin is None:
            raise UsageError("stdin is closed; give INPUT, or JSON lines on stdin")
        return _read_lines(sys.stdin.buffer)
    if os.path.isdir(argument):  # noqa: PTH112  Path.is_dir raises where a text is very long
        return _list_folder(Path(argument), LeftOut() if left_out is None else left_out)
    if os.path.isfile(argument) and suffix_of(argument) == ".jsonl":  # noqa: PTH113
        return ItemFile(Path(argument))
    return _read_argument(argument)


def _read_argument(argument: str) -> InputItem:
    """Tell an image file from a text, and from a name that is neither."""
    try:
        path = file_of_url(argument) or find_image_file(argument)
    except ValueError as error:
        return _make_faulty(f"{argument} {error}")
    if path is not None and os.path.isfile(path):  # noqa: PTH113
        return _make_image(path)
    if is_url(argument) and path is None:
        return _make_faulty(
            f"{argument} is a URL, which is not supported; "
            "name a file on this machine, or mark a text with --text"
        )
    if os.path.isfile(argument):  # noqa: PTH113
        return _make_faulty(
            f"{argument} is a file, but no image and no .jsonl; "
            "put its text in a .jsonl, or mark a text with --text"
        )
    if path is None and not looks_like_image(argument) and not _looks_like_other_file(argument):
        return _make_item(argument)
    return _make_faulty(f"{argument} does not exist; check the path, or mark a text with --text")


def _looks_like_other_file(argument: str) -> bool:
    """Tell a mistyped folder, or file of texts, from a text: it is one word, as in "phtos/"."""
    name = strip(argument)
    if suffix_of(name) == ".jsonl":
        return True
    if len(name.split()) != 1 or name.strip("/.~") == "":
        return False
    return name.startswith(ROOTS) or name.endswith("/") or suffix_of(name) in OTHER_SUFFIXES


def _make_item(raw: RawItem) -> InputItem:
    kind = _find_kind(raw)
    if isinstance(raw, str):
        return InputItem(raw, {"text" if kind == "text" else "path": _shorten(raw)}, kind)
    label = _shorten(raw) if isinstance(raw, dict) else {"item": _shorten(raw)}
    return InputItem(raw, label, kind)


def _make_image(path: Path) -> InputItem:
    return InputItem(path, {"path": str(path)}, "image")


def _make_faulty(fault: str) -> InputItem:
    return InputItem("", {}, "unreadable", fault)


def _list_folder(folder: Path, left_out: LeftOut) -> Iterator[InputItem]:
    paths = list_images(folder, left_out)
    first = next(paths, None)
    if first is None:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        found = f"; it has {left_out}" if left_out else ""
        raise UsageError(f"{folder} holds no images; expected files ending in {known}{found}")
    return map(_make_image, itertools.chain([first], paths))


def _read_lines(source: Path | BinaryIO) -> Iterator[InputItem]:
    """Read JSON lines; an "id" in an object stands for it in the output."""
    named = f"{source}, " if isinstance(source, Path) else ""
    for line in read_items(source):
        if isinstance(line, LineFault):
            yield _make_faulty(f"{named}{line}")
        elif isinstance(line.value, dict) and "id" in line.value:
            yield InputItem(line.raw, {"id": line.value["id"]}, _find_kind(line.raw))
        else:
            asked = _make_item(line.value)
            yield InputItem(line.raw, asked.label, _find_kind(line.raw))


def _explain_refusal(raw: RawItem) -> str | None:
    """Say why an item cannot be embedded whatever the model, such as an empty text."""
    try:
        normalise(raw)
    except ItemError as error:
        return f"an item {error.cause}"
    return None


def _find_kind(raw: RawItem) -> str:
    try:
        item = normalise(raw)
    except ItemError:
        return "unreadable"
    if not item.images:
        return "text"
    return "mixture" if item.texts else "image"


def _shorten(value: Any, key: str = "") -> Any:
    """Leave the bulk of images out of what is repeated."""
    if isinstance(value, str) and (key == "base64" or value.startswith("data:")):
        return value if len(value) <= SHOWN else value[:SHOWN] + "..."
    if isinstance(value, list):
        return [_shorten(part, key) for part in value]
    if isinstance(value, dict):
        return {name: _shorten(part, name) for name, part in value.items()}
    return value
