"""What the command line is given, as a stream of items.

texts | image files | folders | JSON lines -> Asked, one by one, in order
"""

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from e5v.errors import ItemError, UsageError
from e5v.image_formats import IMAGE_SUFFIXES
from e5v.items import RawItem, normalise
from e5v.jsonl import LineFault
from e5v.verbs.item_lines import read_items

SHOWN = 80  # characters of a data URI that are repeated in the output


@dataclass(frozen=True)
class Asked:
    """One item that a user asked for.

    `label` is what stands for it in the output; `kind` is text, image or mixture. `fault` says why
    there is nothing to embed; `raw` is then None, which the embedder refuses at its position.
    """

    raw: RawItem
    label: Mapping[str, Any]
    kind: str
    fault: str | None = None


@dataclass(frozen=True)
class Inputs:
    """The items of one command, to be read once; a folder or JSON lines are read on the way."""

    sources: tuple[Asked | Iterator[Asked], ...]

    @property
    def count(self) -> int | None:
        """How many items there are, where that is known before they are read."""
        known = all(isinstance(source, Asked) for source in self.sources)
        return len(self.sources) if known else None

    def check(self) -> None:
        """Find what is missing before a model is opened, as far as positions are known.

        Raises:
            ItemError: a file does not exist; names the item's position.
        """
        for position, source in enumerate(self.sources):
            if not isinstance(source, Asked):
                return
            if source.fault:
                raise ItemError(position, source.fault)

    def __iter__(self) -> Iterator[Asked]:
        """Read every item in order."""
        for source in self.sources:
            yield from [source] if isinstance(source, Asked) else source


def gather(arguments: Iterable[str], texts: Iterable[str] = ()) -> Inputs:
    """Understand arguments, then texts that are nothing but texts.

    Raises:
        UsageError: an argument is a folder without images.
    """
    plain = (Asked({"text": text}, {"text": text}, "text") for text in texts)
    return Inputs((*map(understand, arguments), *plain))


def understand(argument: str) -> Asked | Iterator[Asked]:
    """Tell what one argument stands for.

    `-` is JSON lines on stdin and a name ending in .jsonl a file of them; a folder is walked for
    images in order of path, hidden ones left out; a name ending in an image suffix is an image;
    all else is text.

    Raises:
        UsageError: it is a folder without images, or stdin is closed.
    """
    suffix = Path(argument).suffix.lower()
    if argument == "-":
        if sys.stdin is None:
            raise UsageError("stdin is closed; give INPUT, or JSON lines on stdin")
        return _lines(sys.stdin.buffer)
    if os.path.isdir(argument):  # noqa: PTH112  Path.is_dir raises where a text is very long
        return _folder(Path(argument))
    exists = os.path.isfile(argument)  # noqa: PTH113
    if suffix not in {*IMAGE_SUFFIXES, ".jsonl"}:
        if exists:
            return _faulty(
                f"{argument} is a file, but no image and no .jsonl; "
                "put its text in a .jsonl, or mark a text with --text"
            )
        return _asked(argument)
    if not exists:
        return _faulty(f"{argument} does not exist; check the path, or mark a text with --text")
    return _lines(Path(argument)) if suffix == ".jsonl" else _image(Path(argument))


def _asked(raw: RawItem) -> Asked:
    kind = _kind(raw)
    if isinstance(raw, str):
        return Asked(raw, {"text" if kind == "text" else "path": _brief(raw)}, kind)
    label = _brief(raw) if isinstance(raw, dict) else {"item": _brief(raw)}
    return Asked(raw, label, kind)


def _image(path: Path) -> Asked:
    return Asked(path, {"path": str(path)}, "image")


def _faulty(fault: str) -> Asked:
    return Asked(None, {}, "unreadable", fault)


def _folder(folder: Path) -> Iterator[Asked]:
    paths = _walk(folder)
    first = next(paths, None)
    if first is None:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise UsageError(f"{folder} holds no images; expected files ending in {known}")
    return map(_image, itertools.chain([first], paths))


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():  # a link may lead back up
            yield from _walk(path)
        elif path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            yield path


def _lines(source: Path | BinaryIO) -> Iterator[Asked]:
    """Read JSON lines; an "id" in an object stands for it in the output."""
    named = f"{source}, " if isinstance(source, Path) else ""
    for line in read_items(source):
        if isinstance(line, LineFault):
            yield _faulty(f"{named}{line}")
        elif isinstance(line.value, dict) and "id" in line.value:
            yield Asked(line.raw, {"id": line.value["id"]}, _kind(line.raw))
        else:
            asked = _asked(line.value)
            yield Asked(line.raw, asked.label, _kind(line.raw))


def _kind(raw: RawItem) -> str:
    try:
        item = normalise(raw)
    except ItemError:
        return "unreadable"
    if not item.images:
        return "text"
    return "mixture" if item.texts else "image"


def _brief(value: Any, key: str = "") -> Any:
    """Leave the bulk of images out of what is repeated."""
    if isinstance(value, str) and (key == "base64" or value.startswith("data:")):
        return value if len(value) <= SHOWN else value[:SHOWN] + "..."
    if isinstance(value, list):
        return [_brief(part, key) for part in value]
    if isinstance(value, dict):
        return {name: _brief(part, name) for name, part in value.items()}
    return value
