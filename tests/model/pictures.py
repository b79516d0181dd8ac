"""Pictures that tests of images draw, encode and compare."""

import io
from typing import Any

import numpy as np
import PIL.Image
import pillow_heif
from numpy.typing import NDArray

from e5v.inputs import Image
from e5v.model.images import decode

ORIENTATION = 0x0112
FIRST_ROW_AND_COLUMN = {  # where they are in the picture, in the words of the EXIF standard
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255))


def blocks(side: int = 16) -> PIL.Image.Image:
    """Draw 3 x 2 blocks, each of another colour: no turn or mirroring leaves it the same."""
    pixels = np.array(COLOURS, np.uint8).reshape(2, 3, 3)
    return PIL.Image.fromarray(pixels.repeat(side, axis=0).repeat(side, axis=1))


def encoded(picture: PIL.Image.Image, form: str, **options: Any) -> bytes:
    """Write a picture into bytes of a file format."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def pixels_of(image: Image) -> NDArray[np.uint8]:
    """Decode into (height, width, 3)."""
    picture = decode(image)
    assert picture.mode == "RGB"
    return np.asarray(picture)


def assert_like(image: Image, expected: PIL.Image.Image, most: int = 12) -> None:
    """Check that an image decodes to about the expected RGB pixels (JPEG is not exact)."""
    pixels = pixels_of(image).astype(int)
    wanted = np.asarray(expected).astype(int)
    assert pixels.shape == wanted.shape
    assert np.abs(pixels - wanted).max() <= most


def exif(orientation: int) -> bytes:
    """Make an EXIF block that says how the camera was held."""
    block = PIL.Image.Exif()
    block[ORIENTATION] = orientation
    return block.tobytes()


def as_held(orientation: int) -> PIL.Image.Image:
    """Turn `blocks` to what a camera held that way stores."""
    ends = FIRST_ROW_AND_COLUMN[orientation]
    pixels = np.asarray(blocks())
    pixels = pixels[::-1] if "bottom" in ends else pixels
    pixels = pixels[:, ::-1] if "right" in ends else pixels
    pixels = pixels.transpose(1, 0, 2) if ends[0] in {"left", "right"} else pixels
    return PIL.Image.fromarray(np.ascontiguousarray(pixels))


def heif(picture: PIL.Image.Image, **options: Any) -> bytes:
    """Write a picture into bytes of a HEIC file, without registering anything with Pillow."""
    stream = io.BytesIO()
    pillow_heif.from_pillow(picture).save(stream, quality=-1, chroma=444, **options)
    return stream.getvalue()
