"""What e5v knows of torchao that is not part of its public interface, all in one file.

import -> without its notes on kernels that only other GPUs can load
a quantised matrix -> the plain tensors that it is made of

Seen with torchao 0.18.
"""

import logging
from collections.abc import Iterator
from typing import Any

# Written whenever transformers finds torchao, which it imports itself, on every machine.
NOTES = {"torchao": "Failed to load", "torch.utils._pytree": "%s is an Enum subclass"}


def hide_notes() -> None:
    """Drop two notes that torchao causes when it is imported; nobody can act on them."""
    for logger, start in NOTES.items():
        found = logging.getLogger(logger)
        if not any(isinstance(one, _Dropped) for one in found.filters):
            found.addFilter(_Dropped(start))


class _Dropped(logging.Filter):
    """Drops records whose message starts in a way."""

    def __init__(self, start: str) -> None:
        super().__init__()
        self._start = start

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is kept."""
        return not str(record.msg).startswith(self._start)


def list_plain(name: str, weight: Any) -> Iterator[tuple[str, Any]]:
    """List the plain tensors of a weight with their names: several if torchao has quantised it."""
    flatten = getattr(weight, "__tensor_flatten__", None)
    if flatten is None:
        yield name, weight
        return
    for part in flatten()[0]:
        yield from list_plain(f"{name}.{part}", getattr(weight, part))
