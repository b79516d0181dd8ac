"""Copy an item's content, so that later changes by the caller do not change its vector.

item of an iterator -> Item -> files read, PIL images copied -> Item of bytes and copies

Items are prepared on threads while the caller's iterator continues: it may refill a buffer, move to
the next frame of an animation, or write the next picture to the same file.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.ExifTags
import PIL.Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.MpoImagePlugin import MpoImageFile

from e5v.errors import ItemError, first_line
from e5v.inputs import Image, Item, Part
from e5v.model.image_files import UnreadableError, load_pixels, orientation, read_bytes
from e5v.model.images import PICTURE_LOCK
from e5v.places import StoreUrl, TarMember

MEGABYTE = 2**20


def take(item: Item, position: int) -> Item:
    """Return the item with its files read and its PIL images copied.

    Raises:
        ItemError: a file or a PIL image cannot be read; names `position`.
    """
    try:
        return replace(item, parts=tuple(map(_take_part, item.parts)))
    except UnreadableError as error:
        raise ItemError(position, str(error)) from error


def megabytes(item: Item) -> int:
    """Return the memory of an item's images until they are prepared, in MiB."""
    return sum(map(_size, item.images)) // MEGABYTE


def _size(image: Image) -> int:
    if isinstance(image.source, bytes):
        return len(image.source)
    if isinstance(image.source, Path | StoreUrl | TarMember):
        return 0
    width, height = image.source.size
    return 4 * width * height  # Pillow uses 4 bytes per RGB pixel


def _take_part(part: Part) -> Part:
    if not isinstance(part, Image) or isinstance(part.source, bytes | StoreUrl | TarMember):
        return part  # a store is read on threads: its answers are slow
    return read_bytes(part) if isinstance(part.source, Path) else Image(_copy(part.source))


def _copy(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Copy a PIL image in its current state, with frame, orientation and transparency."""
    with PICTURE_LOCK:
        try:
            again = _reopen(picture)
            if again is not None:
                return again
            load_pixels(picture)
            copy = picture.copy()
            if (turned := orientation(picture)) != orientation(copy):
                copy.getexif()[PIL.ExifTags.Base.Orientation] = turned
        except UnreadableError:
            raise
        except Exception as error:  # a format's reader may raise anything on broken bytes
            raise UnreadableError(f"<PIL image> is broken: {first_line(error)}") from None
    return copy


def _reopen(picture: PIL.Image.Image) -> PIL.Image.Image | None:
    """Open a JPEG that is not yet decoded a second time, to decode it on a thread.

    Returns None for other images, and if the two would differ (such as after `draft`).
    """
    if not isinstance(picture, JpegImageFile) or isinstance(picture, MpoImageFile):
        return None
    file: Any = picture.fp
    if not picture.tile or getattr(file, "closed", True):
        return None
    place = file.tell()
    file.seek(0)
    content = file.read()
    file.seek(place)
    again = PIL.Image.open(io.BytesIO(content), formats=["JPEG"])
    same = (
        isinstance(again, JpegImageFile)
        and (again.size, again.mode, again.tile) == (picture.size, picture.mode, picture.tile)
        and again.info == picture.info
        and orientation(again) == orientation(picture)
    )
    return again if same else None
