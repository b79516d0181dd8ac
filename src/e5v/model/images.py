"""Decode images.

    file | bytes | PIL -> header checked -> first frame, upright, RGB

Runs on threads ahead of the model: nothing here uses torch modules or shared state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from e5v.errors import first_line
from e5v.image_formats import OTHER_IMAGE_SUFFIXES, suffix_of
from e5v.inputs import Image, Item, Text
from e5v.model.image_files import (
    UnreadableError,
    load_pixels,
    open_image,
    orientation,
    read_bytes,
    upright,
    upright_size,
)

MIN_SIDE = 2  # pixels; some processors crash on a single pixel or line

# One PIL image may be in many items, and Pillow loads it without a lock.
PICTURE_LOCK = Lock()


def digest(item: Item) -> bytes:
    """Return a 16-byte digest of an item's content; call after `read_bytes`.

    Raises:
        UnreadableError: a PIL image is closed.
    """
    state = hashlib.blake2b(digest_size=16)
    if item.system is not None:
        system = item.system.encode("utf-8", "surrogatepass")
        state.update(b"6 system %d " % len(system) + system)
    if item.instruction:
        instruction = item.instruction.encode("utf-8", "surrogatepass")
        state.update(b"11 instruction %d " % len(instruction) + instruction)
    if item.side is not None:
        state.update(b"4 side %d " % len(item.side) + item.side.encode())
    for part in item.parts:
        if isinstance(part, Text):
            kind, content = b"text", part.text.encode("utf-8", "surrogatepass")
        elif isinstance(part.source, bytes):
            kind, content = b"file", part.source
        else:
            assert isinstance(part.source, PIL.Image.Image)
            with PICTURE_LOCK:
                kind, content = _content_of(part.source)
        state.update(b"%d %s %d " % (len(kind), kind, len(content)))
        state.update(content)
    return state.digest()


def _content_of(picture: PIL.Image.Image) -> tuple[bytes, bytes]:
    load_pixels(picture)
    colours = picture.getpalette(None), picture.info.get("transparency")
    kind = f"{picture.mode} {picture.size} {orientation(picture)} {colours}".encode()
    return kind, picture.tobytes()


def decode(image: Image, name: str = "") -> PIL.Image.Image:
    """Decode an image as displayed: first frame, EXIF orientation applied, RGB.

    Transparent pixels become white. Greyscale of more than 8 bits, or floating-point, is scaled so
    that 0 is black and the brightest pixel is white: files of 12-bit data declare 16 bits, so the
    declared range is unreliable, and a guess could differ between two nearly equal images. A
    picture that uses its whole range is unchanged.

    Raises:
        UnreadableError: not an image, truncated, too large (178 megapixels in its header; nothing
            is decoded) or smaller than 2x2 pixels.
    """
    name = name or str(image)
    with _unreadable_errors(name), _lock_if_shared(image):
        picture = _open(image)
        _check_size(picture, name)
        load_pixels(picture)
        return _drop_metadata(to_rgb(upright(picture)))


def decode_small(content: bytes, side: int) -> tuple[PIL.Image.Image, tuple[int, int]]:
    """Decode an image like `decode`, at most `side` pixels per side; return it and its size.

    The size (width, height) is that of the full upright picture. A JPEG is decoded at only about
    twice `side`, which is many times faster.

    Raises:
        UnreadableError: as for `decode`.
    """
    name = str(Image(content))
    with _unreadable_errors(name):
        picture = open_image(content)
        _check_size(picture, name)
        size = upright_size(picture)
        if picture.format in {"JPEG", "MPO"}:
            picture.draft("RGB", (2 * side, 2 * side))
        picture.load()
        small = _drop_metadata(to_rgb(upright(picture)))
    small.thumbnail((side, side))
    return small, size


@contextmanager
def _unreadable_errors(name: str) -> Iterator[None]:
    """Convert any error of a decoder to an `UnreadableError` of one line."""
    try:
        yield
    except UnreadableError:
        raise
    except PIL.Image.DecompressionBombError:
        limit = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise UnreadableError(
            f"{name} has more than {limit} megapixels; refused before decoding: shrink it first"
        ) from None
    except PIL.UnidentifiedImageError:
        suffix = suffix_of(name)
        hint = f": {suffix} is not supported" if suffix in OTHER_IMAGE_SUFFIXES else ""
        raise UnreadableError(f"{name} is not an image of a known format{hint}") from None
    except Exception as error:  # a format's reader may raise anything on broken bytes
        raise UnreadableError(f"{name} is broken: {first_line(error)}") from None


def _lock_if_shared(image: Image) -> AbstractContextManager[object]:
    """Return a lock for a PIL image, which threads may share; files and bytes need none."""
    return PICTURE_LOCK if isinstance(image.source, PIL.Image.Image) else nullcontext()


def _open(image: Image) -> PIL.Image.Image:
    source = read_bytes(image).source
    if isinstance(source, bytes):
        return open_image(source)
    assert isinstance(source, PIL.Image.Image)  # files have been read
    return source


def _check_size(picture: PIL.Image.Image, name: str) -> None:
    width, height = picture.size
    if min(width, height) < MIN_SIDE:
        raise UnreadableError(f"{name} is {width}x{height} pixels; expected at least 2x2")


def _drop_metadata(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Copy the pixels without metadata: a processor might apply the EXIF orientation again."""
    bare = picture.copy()
    bare.info = {}
    return bare


def to_rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Convert a picture to RGB: transparency on white, high-bit greyscale scaled to 8 bits."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith("I"):  # 16 bits or more; convert() would clip to white
        return _scaled(np.asarray(picture).astype(np.int64)).convert("RGB")
    if picture.mode == "F":
        return _scaled(np.asarray(picture, np.float64)).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = PIL.Image.new("RGBA", layer.size, "white")
        return PIL.Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")


def _scaled(greys: NDArray[np.generic]) -> PIL.Image.Image:
    """Scale greys (height, width) so that 0 is black and the brightest finite value is white."""
    finite = greys[np.isfinite(greys)]
    white = finite.max(initial=0)
    if white <= 0:
        return PIL.Image.fromarray(np.zeros(greys.shape, np.uint8))
    known = np.nan_to_num(greys, nan=0, posinf=white, neginf=0).clip(0, white)
    whole = np.issubdtype(greys.dtype, np.integer)
    scaled = known * 255 // white if whole else np.rint(known * (255 / white))
    return PIL.Image.fromarray(scaled.astype(np.uint8))
