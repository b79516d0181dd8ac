"""From where an image is to the arrays its vision tower takes.

    file | bytes | PIL -> header checked -> first frame, upright, RGB -> the model's own processor
                                                         -> arrays + the string that stands for it

Runs on threads ahead of the model: nothing here touches torch's modules or shared state.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from e5v.errors import first_line
from e5v.image_formats import OTHER_IMAGE_SUFFIXES, suffix_of
from e5v.items import Image, Item, Text
from e5v.model.image_files import (
    UnreadableError,
    load_pixels,
    open_image,
    orientation,
    read_bytes,
    upright,
    upright_size,
)

if TYPE_CHECKING:
    from torch import Tensor

    from e5v.model.vision import ImageTokens

MIN_SIDE = 2  # pixels; a single pixel or line shows nothing, and some processors crash on it

# One PIL image may stand in many items, and Pillow loads it without a lock.
PICTURE_LOCK = Lock()


@dataclass(frozen=True)
class Pixels:
    """One image, ready for its vision tower.

    `arrays` is what the model's processor returns for a single image (first axis 1, or patches);
    `expansion` the string its placeholder becomes in the prompt. Where `tokens` are given, the
    vision tower has seen it already and is not asked again.
    """

    arrays: dict[str, Tensor]
    expansion: str
    tokens: ImageTokens | None = None


def digest(item: Item) -> bytes:
    """Return 16 bytes that are equal for items of equal content; call after `read_bytes`.

    Raises:
        UnreadableError: a PIL image is closed.
    """
    state = hashlib.blake2b(digest_size=16)
    if item.system is not None:
        system = item.system.encode("utf-8", "surrogatepass")
        state.update(b"6 system %d " % len(system) + system)
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
    """Return the picture a person would see: first frame, EXIF orientation applied, RGB.

    Transparent pixels are laid on white. Greys of more than 8 bits, and floating-point greys, are
    scaled so that 0 is black and the brightest pixel is white: files of 12-bit data declare 16
    bits, so the declared range says nothing, and any guess at the true one would jump between two
    images that are nearly equal. A picture that uses its whole range is not changed by this.

    Raises:
        UnreadableError: not an image, truncated, too large (178 megapixels, as its header says,
            before anything is decoded) or smaller than 2 pixels a side.
    """
    name = name or str(image)
    with _reasons(name), _alone(image):
        picture = _open(image)
        _check_size(picture, name)
        load_pixels(picture)
        return _bare(to_rgb(upright(picture)))


def decode_small(content: bytes, side: int) -> tuple[PIL.Image.Image, tuple[int, int]]:
    """Return an encoded image as `decode` does, at most `side` pixels wide and high, and its size.

    The size, width and height, is that of the whole upright picture. A JPEG is decoded at about
    twice the side only, which is many times faster.

    Raises:
        UnreadableError: as for `decode`.
    """
    name = str(Image(content))
    with _reasons(name):
        picture = open_image(content)
        _check_size(picture, name)
        size = upright_size(picture)
        if picture.format in {"JPEG", "MPO"}:
            picture.draft("RGB", (2 * side, 2 * side))
        picture.load()
        small = _bare(to_rgb(upright(picture)))
    small.thumbnail((side, side))
    return small, size


@contextmanager
def _reasons(name: str) -> Iterator[None]:
    """Say in one line why an image cannot be read, whatever its decoder raises."""
    try:
        yield
    except UnreadableError:
        raise
    except PIL.Image.DecompressionBombError:
        limit = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise UnreadableError(
            f"{name} has more than {limit} megapixels; refused undecoded, shrink it first"
        ) from None
    except PIL.UnidentifiedImageError:
        suffix = suffix_of(name)
        hint = f": {suffix} is not supported" if suffix in OTHER_IMAGE_SUFFIXES else ""
        raise UnreadableError(f"{name} is not an image of a known format{hint}") from None
    except Exception as error:  # a format's reader raises what it likes on broken bytes
        raise UnreadableError(f"{name} is broken: {first_line(error)}") from None


def _alone(image: Image) -> AbstractContextManager[object]:
    """Lock a PIL image for this thread; what a thread opens itself needs no lock."""
    return PICTURE_LOCK if isinstance(image.source, PIL.Image.Image) else nullcontext()


def _open(image: Image) -> PIL.Image.Image:
    source = read_bytes(image).source
    assert not isinstance(source, Path)
    return open_image(source) if isinstance(source, bytes) else source


def _check_size(picture: PIL.Image.Image, name: str) -> None:
    width, height = picture.size
    if min(width, height) < MIN_SIDE:
        raise UnreadableError(f"{name} is {width}x{height} pixels; expected at least 2x2")


def _bare(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Copy the pixels alone: with its EXIF left on, a processor might turn the picture again."""
    bare = picture.copy()
    bare.info = {}
    return bare


def to_rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Return a picture in RGB: on white where it is transparent, deep greys scaled to 8 bits."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith("I"):  # 16 bits and more, which convert() would clip to white
        return _scaled(np.asarray(picture).astype(np.int64)).convert("RGB")
    if picture.mode == "F":
        return _scaled(np.asarray(picture, np.float64)).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = PIL.Image.new("RGBA", layer.size, "white")
        return PIL.Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")


def _scaled(greys: NDArray[Any]) -> PIL.Image.Image:
    """Scale greys (height, width) so that 0 is black and the brightest finite value is white."""
    finite = greys[np.isfinite(greys)]
    white = finite.max(initial=0)
    if white <= 0:
        return PIL.Image.fromarray(np.zeros(greys.shape, np.uint8))
    known = np.nan_to_num(greys, nan=0, posinf=white, neginf=0).clip(0, white)
    whole = np.issubdtype(greys.dtype, np.integer)
    scaled = known * 255 // white if whole else np.rint(known * (255 / white))
    return PIL.Image.fromarray(scaled.astype(np.uint8))


class ImageProcessor:
    """Runs a model's own processor on one image at a time, from any thread."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def __call__(self, picture: PIL.Image.Image) -> Pixels:
        """Return the arrays of one RGB picture and what its placeholder expands to.

        The processor is called as any user would call it, on a prompt that is the placeholder
        alone; two listeners note the arrays its image half returns and the text its tokenizer half
        is given. That is the one way that is the same for every family and every version.

        Raises:
            UnreadableError: the processor refuses the picture (a shape it cannot tile, say).
        """
        processor = copy.copy(self._processor)
        images = _ImageListener(self._processor.image_processor)
        processor.image_processor = images
        processor.tokenizer = _TextListener(self._processor.tokenizer)
        try:
            processor(text=[processor.image_token], images=[picture], return_tensors="pt")
        except _HeardError as heard:
            return Pixels(images.arrays, heard.text)
        except Exception as error:
            width, height = picture.size
            raise UnreadableError(
                f"the model takes no {width}x{height} picture: {first_line(error)}"
            ) from error
        raise UnreadableError("the model's processor never tokenised its prompt")


class _HeardError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _ImageListener:
    """Stands in for an image processor and keeps what it returned."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.arrays: dict[str, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        returned = self._inner(*args, **kwargs)
        self.arrays = {key: value for key, value in returned.items() if hasattr(value, "shape")}
        return returned

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _TextListener:
    """Stands in for a tokenizer and raises with the text it was given."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __call__(self, text: Any, **_: Any) -> Any:
        raise _HeardError(text[0] if isinstance(text, list) else text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
