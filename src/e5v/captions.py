"""Read captions.jsonl and edits.jsonl: images with captions, or texts, by one rule for all verbs.

captions.jsonl -> JsonLine -> keys, path of the image -> CaptionLine, or LineFault
edits.jsonl    -> JsonLine -> keys, path of the image -> EditLine, or LineFault

The rule, for index, encode, evaluate and train:

- An image is a path under "image", "image_path", "image_file", "img" or "image_url"; or under
  "file", "file_name", "filename", "filepath", "path" or "url" if it has an image's suffix, since
  these keys also name the document a text comes from.
- A text is under "text", "caption", "captions" or "texts": a string, or a list of strings.
- Of several keys, the first in this order that has a value is used. Null, blank text and an empty
  list count as missing; an empty image is a fault. Other keys are ignored, but a misspelling of
  a missing key, or a value that names an existing image, is a fault.
- A path is relative to the folder of the file, or on stdin to the current folder. An image that is
  not found there is looked for in its subfolder images/.

Here, an object is an image with its captions, or a text. In `e5v encode` it is one item, with the
image and its texts together: `e5v.item_lines`.
"""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, TypeGuard, TypeVar
from urllib.request import url2pathname

from e5v.inputs import IMAGE_SUFFIXES, LONGEST_NAME
from e5v.jsonl import JsonLine, LineFault, Wrong, listed, read_json_lines
from e5v.places import begins_with_url

CAPTIONS, EDITS = "captions.jsonl", "edits.jsonl"
IMAGES = "images"  # the folder beside the file where images are also looked for
IMAGE_KEYS = ("image", "image_path", "image_file", "img", "image_url")
FILE_KEYS = ("file", "file_name", "filename", "filepath", "path", "url")
TEXT_KEYS = ("text", "caption", "captions", "texts")
ENCODED_KEYS = ("base64",)  # the encoded image, in `e5v encode` only
KNOWN_KEYS = frozenset((*IMAGE_KEYS, *FILE_KEYS, *TEXT_KEYS, "id"))
SIMILAR = 0.8  # minimum similarity of a misspelt key, from 0 to 1
EXPECTED = '{"image": path, "text": caption}'

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class CaptionLine:
    """An image and its captions, or a text; `image` is its path, whether or not it exists."""

    number: int
    image: str | None
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """An existing image and its captions, at least one."""

    number: int
    image: Path
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EditLine:
    """A composed query (image and text) and its target images; all images exist.

    `hidden` are images to exclude from the results; None if the line has no such key.
    """

    number: int
    image: Path
    text: str
    targets: tuple[Path, ...]
    hidden: tuple[Path, ...] | None


def read_captions(file: Path) -> Iterator[CaptionLine | LineFault]:
    """Read a file's images with captions, and texts, one line at a time.

    Raises:
        OSError: the file cannot be read.
    """
    return make_lines(file, lambda line: _caption_line(line, str(file.parent)))


def read_captioned(file: Path) -> Iterator[CaptionedImage | LineFault]:
    """Read a file in which every line must be an existing image with at least one caption.

    Raises:
        OSError: the file cannot be read.
    """
    folder = str(file.parent)

    def make(line: JsonLine) -> CaptionedImage:
        made, value = _caption_line(line, folder), _check_object(line.value)
        name = _find_image_name(value)
        if name is None:
            raise Wrong(f'has no "image"; it has {listed(value)}')
        if not made.texts:
            raise Wrong(_why_no_text(value))
        return CaptionedImage(line.number, existing_image(folder, name), made.texts)

    return make_lines(file, make)


def read_edits(file: Path) -> Iterator[EditLine | LineFault]:
    """Read composed queries: "image", "text", "target" (one or a list), optionally "hidden".

    Raises:
        OSError: the file cannot be read.
    """
    return make_lines(file, lambda line: _edit_line(line, str(file.parent)))


def find_image(folder: str, name: str) -> str:
    """Return the path of an image that a line names, or where it was expected if missing."""
    if name.startswith("file://"):
        name = url2pathname(name.removeprefix("file://").removeprefix("localhost"))
    names = [name, os.path.join(IMAGES, name)]  # noqa: PTH118
    if name != name.strip():
        names += [name.strip(), os.path.join(IMAGES, name.strip())]  # noqa: PTH118
    paths = [os.path.join(folder, one) for one in names]  # noqa: PTH118
    return next(filter(os.path.isfile, paths), paths[0])


def make_lines(
    source: Path | BinaryIO, make: Callable[[JsonLine], Made]
) -> Iterator[Made | LineFault]:
    """Apply `make` to every line; if it raises `Wrong`, yield a `LineFault`."""
    for line in read_json_lines(source):
        if isinstance(line, LineFault):
            yield line
            continue
        try:
            yield make(line)
        except Wrong as wrong:
            yield LineFault(line.number, str(wrong))
        except RecursionError:
            yield LineFault(line.number, "is nested too deeply")


def _caption_line(line: JsonLine, folder: str) -> CaptionLine:
    value = _check_object(line.value)
    image, texts = _find_image_name(value), find_texts(value)
    if image is not None and value.get("target") is not None:
        raise Wrong('has a "target", as evaluation queries do; expected an image with a caption')
    check_keys(value, folder, image=image is not None, text=bool(texts))
    if image is None and len(texts) > 1:
        raise Wrong(f"has {len(texts)} texts and no image; put each text on its own line")
    return CaptionLine(line.number, None if image is None else find_image(folder, image), texts)


def _edit_line(line: JsonLine, folder: str) -> EditLine:
    value = _check_object(line.value)
    image, texts = _find_image_name(value), find_texts(value)
    if image is None:
        raise Wrong(f'has no "image"; it has {listed(value)}')
    if not texts:
        raise Wrong(_why_no_text(value))
    if len(texts) > 1:
        raise Wrong(f"has {len(texts)} texts; expected one, the change to the image")
    if value.get("target") is None:
        raise Wrong(f'has no "target"; it has {listed(value)}')
    reference = existing_image(folder, image)
    targets = _existing_images("target", value["target"], folder)
    if not targets:
        raise Wrong('has an empty list as "target"')
    hidden = value.get("hidden")
    others = None if hidden is None else _existing_images("hidden", hidden, folder)
    return EditLine(line.number, reference, texts[0], targets, others)


def _existing_images(key: str, value: object, folder: str) -> tuple[Path, ...]:
    names = [image_name(key, one) for one in (value if isinstance(value, list) else [value])]
    return tuple(existing_image(folder, name) for name in names)


def existing_image(folder: str, name: str) -> Path:
    """Return the path of an image that a line names.

    Raises:
        Wrong: there is no such file.
    """
    path = find_image(folder, name)
    if not os.path.isfile(path):  # noqa: PTH113  Path.is_file raises where a name is too long
        where = "the folder of the file" if folder else "the current folder"
        raise Wrong(
            f"names an image that is missing from {where} and its {IMAGES}/: {_shorten(name)}"
        )
    return Path(path)


def _check_object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Wrong(f"is a {type(value).__name__}; expected an object such as {EXPECTED}")
    return value


def image_key(value: Mapping[str, object]) -> str | None:
    """Return the key of an object's image, if it has one."""
    keys = (key for key in IMAGE_KEYS + ENCODED_KEYS if value.get(key) is not None)
    files = (key for key in FILE_KEYS if _is_image_name(value.get(key)))
    return next(keys, next(files, None))


def _is_image_name(name: object) -> TypeGuard[str]:
    return isinstance(name, str) and (name.startswith("data:") or suffix(name) in IMAGE_SUFFIXES)


def suffix(name: str) -> str:
    """Return the suffix of a path or URL in lower case."""
    path = name.partition("?")[0] if name.startswith(("http://", "https://")) else name
    return os.path.splitext(path.strip())[1].lower()  # noqa: PTH122


def _find_image_name(value: Mapping[str, object]) -> str | None:
    key = image_key(value)
    if key in ENCODED_KEYS:
        raise Wrong(f'has an image under "{key}"; expected the path of a file under "image"')
    return None if key is None else image_name(key, value[key])


def image_name(key: str, name: object) -> str:
    """Check that the value of a key is a path, and return it.

    Raises:
        Wrong: it is not a string, is empty, a data URI or a URL.
    """
    if not isinstance(name, str):
        raise Wrong(f'has "{key}" of type {type(name).__name__}; expected the path of an image')
    if not name.strip():
        raise Wrong(f'has an empty "{key}"; expected a path: give one or remove the key')
    if name.startswith("data:"):
        raise Wrong(f'has a data URI as "{key}"; expected the path of an image file')
    if begins_with_url(name):
        url = _shorten(name)
        raise Wrong(f"is the URL {url}; URLs are not downloaded: download the image first")
    return name


def find_texts(value: Mapping[str, object]) -> tuple[str, ...]:
    """Return the texts of an object; none is blank.

    Raises:
        Wrong: one is not a string, or one of several is blank.
    """
    key = next((key for key in TEXT_KEYS if not _is_blank(value.get(key))), None)
    if key is None:
        return ()
    texts: list[str] = []
    for text in given if isinstance(given := value[key], list) else [given]:
        if not isinstance(text, str):
            raise Wrong(f'has "{key}" of type {type(text).__name__}; expected a string')
        if not text.strip():
            raise Wrong(f'has an empty text in "{key}"; expected text: fill it or remove it')
        texts.append(text)
    return tuple(texts)


def _why_no_text(value: Mapping[str, object]) -> str:
    empty = next((key for key in TEXT_KEYS if value.get(key) is not None), None)
    return f'has an empty "{empty}"' if empty else f'has no "text"; it has {listed(value)}'


def _is_blank(value: object) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def check_keys(value: Mapping[str, object], folder: str, *, image: bool, text: bool) -> None:
    """Check that an object has an image or a text, and neither under an unknown key.

    Raises:
        Wrong: it has neither, or a key is a misspelling, or a value names an existing image.
    """
    for key, one in value.items():
        missing = (() if image else IMAGE_KEYS) + (() if text else TEXT_KEYS)
        if not missing or key in KNOWN_KEYS or not isinstance(one, str | list):
            continue
        if meant := _correct_key(key, missing):
            raise Wrong(f'has the key {_shorten(key)}; did you mean "{meant}"?')
        if not image and _is_image_name(one) and os.path.isfile(find_image(folder, one)):  # noqa: PTH113
            raise Wrong(f'has an image under {_shorten(key)}; expected it under "image"')
    if not (image or text):
        raise Wrong(f"has no text and no image; it has {listed(value)}; expected {EXPECTED}")


@lru_cache(maxsize=1_000)
def _correct_key(key: str, missing: tuple[str, ...]) -> str:
    """Return the key that another is a misspelling of; empty if none."""
    near = [one for one in missing if abs(len(one) - len(key)) <= 1]
    return next(iter(difflib.get_close_matches(key.lower(), near, 1, SIMILAR)), "")


def _shorten(name: str) -> str:
    """Return a name for messages: quoted, shortened, on one line."""
    shown = ascii(name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[:LONGEST_NAME]}...{shown[-1]}"
