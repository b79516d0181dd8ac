"""What the server admits: limits on what clients may send, and a queue that is limited in tokens.

request -> Limits, checked where they apply -> Reservation of an estimate -> corrected once its
tokens are counted -> released

The limits protect the server; those of a model are separate. Over the limit of the queue a request
is refused, with the time to try again. A refused request costs little: none of its images is
decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import PIL.Image

from e5v.model.image_files import UnreadableError, open_image
from e5v.web.errors import Refused

MEGA = 1_000_000
LONGEST_WAIT = 60  # the most seconds in Retry-After
FIRST_RATE = 1_000.0  # tokens per second, until measured
WEIGHT = 0.2  # of the latest measurement in the rate


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


def check_image(content: bytes, limits: Limits) -> None:
    """Refuse an image by what its header says, before anything is decoded.

    Raises:
        UnreadableError: its format is not supported, or it has too many pixels.
    """
    if not content:
        raise UnreadableError("its image is empty (0 bytes)")
    try:
        picture = open_image(content)
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise UnreadableError(_describe_excess(limits)) from None
    except Exception:  # Pillow raises all kinds of errors on broken bytes
        raise UnreadableError("its image has no supported format") from None
    if picture.format == "ICO":  # may contain an image larger than its header says
        raise UnreadableError("its image has no supported format")
    width, height = picture.size
    if width * height > limits.pixels:
        raise UnreadableError(_describe_excess(limits))


def _describe_excess(limits: Limits) -> str:
    most = limits.pixels / MEGA
    return f"its image has more than {most:g} megapixels; shrink it first"


class Reservation:
    """The tokens reserved for one request."""

    def __init__(self, queue: AdmissionQueue) -> None:
        self._queue = queue
        self.tokens = 0

    def set(self, tokens: int) -> None:
        """Reserve this many tokens in place of those reserved before.

        Raises:
            Refused: others have reserved too much (429), or it is more than the limit (413).
        """
        queue = self._queue
        if tokens > queue.most:
            message = f"the request has about {tokens} tokens; the limit is {queue.most}"
            raise Refused(413, "items", f"{message}; split it into smaller requests")
        others = queue.tokens - self.tokens
        if others + tokens > queue.most:
            raise queue.make_refusal(others)
        queue.tokens = others + tokens
        self.tokens = tokens


class AdmissionQueue:
    """All reservations: `tokens` of at most `most`. For the event loop only."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.tokens = 0
        self._rate = FIRST_RATE

    @contextmanager
    def reserve(self) -> Iterator[Reservation]:
        """Reserve tokens for a request until it is answered."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self.tokens -= reservation.tokens

    def measure_speed(self, tokens: int, seconds: float) -> None:
        """Update the measured speed of the model."""
        self._rate += WEIGHT * (tokens / max(seconds, 1e-6) - self._rate)

    def make_refusal(self, waiting: int) -> Refused:
        """Return the refusal of a request because the queue is full."""
        seconds = min(LONGEST_WAIT, max(1, math.ceil(waiting / self._rate)))
        message = f"the queue is full: {waiting} tokens are waiting; try again in {seconds} s"
        return Refused(429, "busy", message, headers={"Retry-After": str(seconds)})
