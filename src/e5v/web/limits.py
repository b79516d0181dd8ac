"""Limits on what clients may send.

They protect the server; the limits of a model are separate.
"""

from __future__ import annotations

from dataclasses import dataclass

import PIL.Image

from e5v.model.image_files import UnreadableError, open_image

MEGA = 1_000_000


@dataclass(frozen=True)
class Limits:
    """The limits of a server.

    Attributes:
        connections: open at the same time; at the limit, a new one closes the longest wait.
        idle_per_address: connections of one address without a complete request head.
        head_seconds: until the head of a request has arrived.
        stall_seconds: without a client reading anything of its reply.
        body_bytes: of one request; an image in JSON takes a third more than its file.
        bodies_bytes: of all requests in memory; one address may use half of it.
        body_seconds: until a body has arrived.
        items: in one request; OpenAI's own limit.
        pixels: of one image, as its header says.
        prepare_seconds: for one item to be decoded and tokenised.
        queued_tokens: waiting for the model, or being prepared for it.
        hits: that one search may ask for.
    """

    connections: int = 1_024
    idle_per_address: int = 256
    head_seconds: float = 15.0
    stall_seconds: float = 30.0
    body_bytes: int = 32 * 2**20
    bodies_bytes: int = 512 * 2**20
    body_seconds: float = 60.0
    items: int = 2_048
    pixels: int = 50 * MEGA
    prepare_seconds: float = 10.0
    queued_tokens: int = 500_000
    hits: int = 1_000


def check_picture(content: bytes, limits: Limits) -> None:
    """Refuse an image by what its header says, before anything is decoded.

    Raises:
        UnreadableError: its format is not supported, or it has too many pixels.
    """
    if not content:
        raise UnreadableError("its image is empty (0 bytes)")
    try:
        picture = open_image(content)
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise UnreadableError(_too_many(limits)) from None
    except Exception:  # Pillow raises all kinds of errors on broken bytes
        raise UnreadableError("its image has no supported format") from None
    if picture.format == "ICO":  # may contain an image larger than its header says
        raise UnreadableError("its image has no supported format")
    width, height = picture.size
    if width * height > limits.pixels:
        raise UnreadableError(_too_many(limits))


def _too_many(limits: Limits) -> str:
    most = limits.pixels / MEGA
    return f"its image has more than {most:g} megapixels; shrink it first"
