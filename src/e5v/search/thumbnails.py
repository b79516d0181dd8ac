"""A small picture to show in place of an image.

encoded image -> decoded small where the format can -> upright, RGB -> WebP of at most 20 KB
"""

import io
from dataclasses import dataclass

import PIL.Image
import PIL.ImageOps

from e5v.model.images import to_rgb

SIDE = 256  # pixels, of the longer side
MOST_BYTES = 20_000
QUALITIES = (80, 60, 40, 20, 5)


@dataclass(frozen=True)
class Thumbnail:
    """WebP bytes, and width and height of the upright image that it is of."""

    content: bytes
    width: int
    height: int


def thumbnail(image: bytes) -> Thumbnail:
    """Make the thumbnail of an encoded image.

    Raises:
        Exception: what Pillow raises where it cannot read the image.
    """
    with PIL.Image.open(io.BytesIO(image)) as picture:
        width, height = picture.size
        if picture.getexif().get(0x0112, 1) >= SIDEWAYS:
            width, height = height, width
        picture.draft("RGB", (2 * SIDE, 2 * SIDE))
        small = to_rgb(PIL.ImageOps.exif_transpose(picture))
        small.thumbnail((SIDE, SIDE))
    for quality in QUALITIES:
        content = io.BytesIO()
        small.save(content, "WEBP", quality=quality)
        if content.tell() <= MOST_BYTES:
            break
    return Thumbnail(content.getvalue(), width, height)


SIDEWAYS = 5  # EXIF orientations from 5 on lie on their side
