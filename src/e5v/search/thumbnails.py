"""Thumbnails of images, and what their EXIF says of the photograph.

encoded image -> decoded at reduced size if possible -> upright, RGB -> WebP of at most 20 KB
              -> EXIF -> date, camera, place
"""

import io
import os
from dataclasses import dataclass

from e5v.media.captured import NOTHING, Captured, read_captured
from e5v.model.image_files import open_image
from e5v.model.images import decode_small

SIDE = 256  # pixels, of the longer side
MOST_BYTES = 20_000
QUALITIES = (80, 60, 40, 20, 5)
WORKERS = 2  # beside a model


@dataclass(frozen=True)
class Thumbnail:
    """WebP bytes, and of the original upright image width, height, and what its EXIF says."""

    content: bytes
    width: int
    height: int
    captured: Captured = NOTHING


def count_workers(*, alone: bool) -> int:
    """Return how many threads make thumbnails; one for each core if no model needs the cores."""
    return max(WORKERS, os.cpu_count() or 1) if alone else WORKERS


def thumbnail(image: bytes) -> Thumbnail:
    """Make the thumbnail of an encoded image.

    Raises:
        UnreadableError: the image cannot be read; the model cannot read it either.
    """
    small, (width, height) = decode_small(image, SIDE)
    for quality in QUALITIES:
        content = io.BytesIO()
        small.save(content, "WEBP", quality=quality)
        if content.tell() <= MOST_BYTES:
            break
    return Thumbnail(content.getvalue(), width, height, _read_captured(image))


def _read_captured(image: bytes) -> Captured:
    """Return what the EXIF of an encoded image says; only its header is read once more."""
    with open_image(image) as picture:
        return read_captured(picture)
