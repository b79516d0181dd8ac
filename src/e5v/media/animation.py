"""Frames of an animated image, by Pillow.

file -> some frames, evenly spread -> JPEG
"""

from __future__ import annotations

from pathlib import Path

from e5v.media.images import encode_image
from e5v.model.image_files import open_image

ANIMATED = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
HEAD = 2**16  # bytes that tell whether an image may be animated
ANIMATION_FLAG = 0x02  # of WebP's extended header


def count_frames(path: str) -> int:
    """Return the number of frames of an image file; 1 if it is not animated, or broken.

    Raises:
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        head = file.read(HEAD)
        return _count_frames(head + file.read()) if _may_be_animated(head) else 1


def _may_be_animated(head: bytes) -> bool:
    if head[:4] == b"RIFF":
        return head[12:16] == b"VP8X" and bool(head[20] & ANIMATION_FLAG)
    if head[:4] == b"\x89PNG":
        return b"acTL" in head
    return head[:3] == b"GIF" or (head[4:8] == b"ftyp" and b"avis" in head[8:64])


def _count_frames(content: bytes) -> int:
    try:
        with open_image(content) as picture:
            if picture.format not in ANIMATED:
                return 1
            return max(1, int(getattr(picture, "n_frames", 1)))
    except Exception:  # reported where it is decoded
        return 1


def read_animation_frame(path: str, number: int) -> bytes:
    """Return frame `number`, from 1, as JPEG.

    Raises:
        Exception: it is broken, or has no such frame.
    """
    with open_image(Path(path).read_bytes()) as picture:
        picture.seek(number - 1)
        return encode_image(picture.copy())


def choose_frames(count: int, most: int) -> list[int]:
    """Return the numbers of at most `most` frames of `count`, from 1, evenly spread."""
    chosen = min(count, most)
    return [1 + place * count // chosen for place in range(chosen)]
