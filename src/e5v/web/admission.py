"""The queue limit, in tokens; over it a request is refused, with the time to try again.

request -> Held, an estimate -> corrected once its tokens are counted -> released

A refused request costs little: none of its images is decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from e5v.web.errors import Refused

LONGEST_WAIT = 60  # the most seconds in Retry-After
FIRST_RATE = 1_000.0  # tokens per second, until measured
WEIGHT = 0.2  # of the latest measurement in the rate


class Held:
    """The tokens reserved for one request."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.tokens = 0

    def set(self, tokens: int) -> None:
        """Reserve this many tokens in place of those reserved before.

        Raises:
            Refused: others have reserved too much (429), or it is more than the limit (413).
        """
        ledger = self._ledger
        if tokens > ledger.most:
            message = f"the request has about {tokens} tokens; the limit is {ledger.most}"
            raise Refused(413, "items", f"{message}; split it into smaller requests")
        others = ledger.tokens - self.tokens
        if others + tokens > ledger.most:
            raise ledger.refuse(others)
        ledger.tokens = others + tokens
        self.tokens = tokens


class Ledger:
    """All reservations: `tokens` of at most `most`. For the event loop only."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.tokens = 0
        self._rate = FIRST_RATE

    @contextmanager
    def hold(self) -> Iterator[Held]:
        """Reserve tokens for a request until it is answered."""
        held = Held(self)
        try:
            yield held
        finally:
            self.tokens -= held.tokens

    def measure(self, tokens: int, seconds: float) -> None:
        """Update the measured speed of the model."""
        self._rate += WEIGHT * (tokens / max(seconds, 1e-6) - self._rate)

    def refuse(self, waiting: int) -> Refused:
        """Return the refusal of a request because the queue is full."""
        seconds = min(LONGEST_WAIT, max(1, math.ceil(waiting / self._rate)))
        message = f"the queue is full: {waiting} tokens are waiting; try again in {seconds} s"
        return Refused(429, "busy", message, headers={"Retry-After": str(seconds)})
