"""From where an image is to the arrays its vision tower takes.

    file | bytes | PIL -> header checked -> first frame, upright, RGB -> the model's own processor
                                                         -> arrays + the string that stands for it

Runs on threads ahead of the model: nothing here touches torch's modules or shared state.
"""

from __future__ import annotations

import copy
import hashlib
import io
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.ExifTags
import PIL.Image

from e5v.errors import E5VError, first_line
from e5v.items import Image, Item, Text

if TYPE_CHECKING:
    from torch import Tensor

    from e5v.model.vision import ImageTokens

MIN_SIDE = 2  # pixels; a single pixel or line shows nothing, and some processors crash on it

UPRIGHT = {  # how a picture of each EXIF orientation is turned
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}

# What photos and scans come in; not the formats that Pillow hands to programs or fonts of others.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO")

_LAZY = Lock()  # one PIL image may stand in many items, and Pillow loads it without a lock


class UnreadableError(E5VError):
    """An image cannot be read; the message is the cause alone, in one line."""


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


def read_bytes(image: Image) -> Image:
    """Return the image with its file read, so that hashing and decoding see the same bytes.

    Raises:
        UnreadableError: the file is missing, a folder, unreadable or empty.
    """
    if not isinstance(image.source, Path):
        return image
    try:
        content = image.source.read_bytes()
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
    return Image(content)


def digest(item: Item) -> bytes:
    """Return 16 bytes that are equal for items of equal content; call after `read_bytes`."""
    state = hashlib.blake2b(digest_size=16)
    for part in item.parts:
        if isinstance(part, Text):
            kind, content = b"text", part.text.encode("utf-8", "surrogatepass")
        elif isinstance(part.source, bytes):
            kind, content = b"file", part.source
        else:
            picture = part.source
            assert isinstance(picture, PIL.Image.Image)
            colours = picture.getpalette(None), picture.info.get("transparency")
            kind = f"{picture.mode} {picture.size} {_orientation(picture)} {colours}".encode()
            content = picture.tobytes()
        state.update(b"%d %s %d " % (len(kind), kind, len(content)))
        state.update(content)
    return state.digest()


def decode(image: Image, name: str = "") -> PIL.Image.Image:
    """Return the picture a person would see: first frame, EXIF orientation applied, RGB.

    Transparent pixels are laid on white; 16-bit and floating-point greys are scaled to 8 bits.

    Raises:
        UnreadableError: not an image, truncated, too large (178 megapixels, told by the header
            before anything is decoded) or smaller than 2 pixels a side.
    """
    name = name or str(image)
    try:
        with _alone(image):
            picture = _open(image)
            _check_size(picture, name)
            picture.load()
            return _bare(to_rgb(_upright(picture)))
    except UnreadableError:
        raise
    except PIL.Image.DecompressionBombError:
        limit = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise UnreadableError(
            f"{name} has more than {limit} megapixels; refused undecoded, shrink it first"
        ) from None
    except PIL.UnidentifiedImageError:
        raise UnreadableError(f"{name} is not an image of a known format") from None
    except Exception as error:  # a decoder of Pillow's raises what it likes on broken bytes
        raise UnreadableError(f"{name} is broken: {first_line(error)}") from None


def _alone(image: Image) -> AbstractContextManager[object]:
    """Hold a PIL image for this thread alone; what a thread opens itself is its own already."""
    if not isinstance(image.source, PIL.Image.Image):
        return nullcontext()
    return _LAZY


def _open(image: Image) -> PIL.Image.Image:
    source = read_bytes(image).source
    assert not isinstance(source, Path)
    if not isinstance(source, bytes):
        return source
    PIL.Image.init()  # a build of Pillow may lack some of them
    known = [name for name in FORMATS if name in PIL.Image.OPEN]
    return PIL.Image.open(io.BytesIO(source), formats=known)


def _check_size(picture: PIL.Image.Image, name: str) -> None:
    width, height = picture.size
    if min(width, height) < MIN_SIDE:
        raise UnreadableError(f"{name} is {width}x{height} pixels; expected at least 2x2")


def _orientation(picture: PIL.Image.Image) -> Any:
    try:
        return picture.getexif().get(PIL.ExifTags.Base.Orientation)
    except Exception:  # broken EXIF: no orientation is known, the pixels are fine
        return None


def _upright(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Turn a picture; unlike Pillow's `exif_transpose`, whatever its other EXIF tags hold."""
    method = UPRIGHT.get(_orientation(picture))
    return picture if method is None else picture.transpose(method)


def _bare(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Copy the pixels alone: with its EXIF left on, a processor might turn the picture again."""
    bare = picture.copy()
    bare.info = {}
    return bare


def to_rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Return a picture in RGB: on white where it is transparent, 16-bit greys scaled to 8 bits."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith("I"):  # 16-bit greys, which convert() would clip to white
        greys = np.asarray(picture).astype(np.int64)
        scale = 257 if greys.max() > 255 else 1  # noqa: PLR2004
        return PIL.Image.fromarray((greys // scale).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        return _from_floats(picture).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = PIL.Image.new("RGBA", layer.size, "white")
        return PIL.Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")


def _from_floats(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Scale greys by what white seems to be: 1, as most programs write them, or 8 or 16 bits."""
    greys = np.nan_to_num(np.asarray(picture), posinf=0, neginf=0)
    peak = greys.max()
    white = 1 if peak <= 1 else 255 if peak <= 255 else 65_535  # noqa: PLR2004
    return PIL.Image.fromarray((greys * (255 / white)).clip(0, 255).astype(np.uint8))


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
