"""Open encoded images; the decoder is chosen by content, not by file name.

file -> bytes -> format by the first bytes -> Pillow or pillow-heif -> picture, not yet decoded

Only the formats of `e5v.image_formats` are tried, so that no file goes to another program.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.ExifTags
import PIL.Image

from e5v.errors import E5VError
from e5v.image_formats import PILLOW_FORMATS
from e5v.inputs import Image, Item
from e5v.places import StoreUrl, TarMember
from e5v.stores.files import read_file

UPRIGHT = {  # transposition for each EXIF orientation
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
SIDEWAYS = {5, 6, 7, 8}  # orientations that swap width and height
HEIF_BRANDS = {
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
    *(b"mif1", b"mif2", b"msf1", b"heif"),
}
AVIF_BRANDS = {b"avif", b"avis"}


class UnreadableError(E5VError):
    """An image cannot be read; the message is the cause, in one line."""


def read_bytes(image: Image) -> Image:
    """Return the image with its file read, so that hashing and decoding see the same bytes.

    Raises:
        UnreadableError: the file is missing, a folder, unreadable or empty.
        DataError: a store cannot be reached or refuses, or a listed object has changed since.
    """
    if not isinstance(image.source, Path | StoreUrl | TarMember):
        return image
    try:
        content = read_file(image.source)
    except FileNotFoundError:
        raise UnreadableError(f"{image} does not exist; check the path") from None
    except IsADirectoryError:
        raise UnreadableError(f"{image} is a folder; expected an image file") from None
    except OSError as error:
        raise UnreadableError(f"{image} cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a NUL in the name
        raise UnreadableError(f"{image} cannot be read: {error}") from None
    if not content:
        raise UnreadableError(f"{image} is empty (0 bytes)")
    return Image(content, str(image))


def read_images(item: Item) -> Item:
    """Return an item with the bytes of its images in place of their paths.

    Raises:
        UnreadableError: as `read_bytes`.
    """
    parts = (read_bytes(part) if isinstance(part, Image) else part for part in item.parts)
    return replace(item, parts=tuple(parts))


def open_image(content: bytes) -> PIL.Image.Image:
    """Open an encoded image by its first bytes; only the header is read, no pixel is decoded.

    Raises:
        PIL.UnidentifiedImageError: not in a format of `e5v.image_formats`.
        PIL.Image.DecompressionBombError: more pixels than Pillow's limit.
        Exception: any error of the format's reader, for broken bytes.
    """
    if _is_heif(content):
        return _open_heif(content)
    PIL.Image.init()  # a build of Pillow may lack some of the formats
    known = [name for name in PILLOW_FORMATS if name in PIL.Image.OPEN]
    return PIL.Image.open(io.BytesIO(content), formats=known)


def _is_heif(content: bytes) -> bool:
    """Check the brands of the `ftyp` box, main then compatible; Pillow decodes AVIF itself."""
    if content[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(content[:4], "big"), 256)
    brands = [content[place : place + 4] for place in (8, *range(16, end, 4))]
    if brands[0] in AVIF_BRANDS:
        return False
    return brands[0] in HEIF_BRANDS and not AVIF_BRANDS.intersection(brands)


def _open_heif(content: bytes) -> PIL.Image.Image:
    """Open a HEIF image without registering its plugin for the whole process.

    libheif rotates the picture, and pillow-heif resets the EXIF orientation accordingly.
    """
    from pillow_heif import HeifImageFile

    opened: Any = HeifImageFile
    picture: PIL.Image.Image = opened(io.BytesIO(content))
    width, height = picture.size
    if width * height > 2 * (PIL.Image.MAX_IMAGE_PIXELS or width * height):
        raise PIL.Image.DecompressionBombError(f"{width}x{height} pixels")
    return picture


def orientation(picture: PIL.Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if missing or unreadable."""
    try:
        found = picture.getexif().get(PIL.ExifTags.Base.Orientation)
    except Exception:  # broken EXIF; the pixels may be fine
        return 1
    return found if found in UPRIGHT else 1


def upright(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Apply the EXIF orientation; unlike Pillow's `exif_transpose`, ignores broken tags."""
    method = UPRIGHT.get(orientation(picture))
    return picture if method is None else picture.transpose(method)


def upright_size(picture: PIL.Image.Image) -> tuple[int, int]:
    """Return width and height in pixels, with the EXIF orientation applied."""
    width, height = picture.size
    return (height, width) if orientation(picture) in SIDEWAYS else (width, height)


def load_pixels(picture: PIL.Image.Image) -> None:
    """Read the pixels of a PIL image that may have been opened but not loaded.

    Raises:
        UnreadableError: the image, or the file it was opened from, is closed.
    """
    unread = bool(getattr(picture, "tile", None)) and getattr(picture, "fp", picture) is None
    try:
        if not unread:
            picture.load()
            return
    except (ValueError, AttributeError, OSError) as error:
        if "closed" not in str(error):
            raise
    raise UnreadableError(
        "the PIL image is closed; call its load() before its file is closed, or give the path"
    )
