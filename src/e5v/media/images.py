"""Images that a decoder hands over: JPEG, of bounded size, with what is known of the photograph.

decoded picture -> upright, RGB, at most `SIDE` pixels -> JPEG, with EXIF if there is any
"""

from __future__ import annotations

import io

import PIL.Image

from e5v.errors import E5VError
from e5v.model.images import to_rgb

SIDE = 1_400  # pixels of the longer side: 120 per inch of an A4 page
QUALITY = 90


class MediaError(E5VError):
    """A file, or a part of one, cannot be read; the message is the cause, in one line."""


def encode_image(picture: PIL.Image.Image, exif: PIL.Image.Exif | None = None) -> bytes:
    """Encode a picture as JPEG, at most `SIDE` pixels per side.

    Raises:
        MediaError: it is smaller than 2x2 pixels.
    """
    small = to_rgb(picture)
    small.thumbnail((SIDE, SIDE), PIL.Image.Resampling.LANCZOS)
    if min(small.size) < 2:  # noqa: PLR2004
        raise MediaError(f"is {picture.width}x{picture.height} pixels; expected at least 2x2")
    content = io.BytesIO()
    options = {"exif": exif.tobytes()} if exif else {}
    small.save(content, "JPEG", quality=QUALITY, subsampling=0, **options)
    return content.getvalue()
