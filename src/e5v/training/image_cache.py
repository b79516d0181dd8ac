"""Image tokens of a frozen vision tower, kept from step to step and from epoch to epoch.

content of an image -> memory, the least recently used leave -> disk, the same -> dropped

An image that is found is neither decoded nor seen by the tower. The tower runs on each other image
by itself: its tokens are then the same, bit for bit, whichever images are known already, so that
neither the size of the cache nor an interruption is seen in the result. The files on disk belong to
one process, are in the folder for temporary files ($TMPDIR), and are removed when it ends.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import torch

from e5v.model.image_inputs import ImageTokens, Pixels

GIB = 1 << 30


@dataclass
class ImageCache:
    """Images with their tokens by a digest of their content; safe to use from several threads.

    `memory` and `disk` are limits in bytes; without a `folder`, the disk is not used.
    """

    memory: int
    disk: int = 0
    folder: Path | None = None
    _kept: "OrderedDict[bytes, Pixels]" = field(default_factory=OrderedDict)
    _held: int = 0
    _on_disk: int = 0
    _files: "OrderedDict[bytes, int]" = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, content: bytes) -> Pixels | None:
        """Return an image that is known, else None."""
        with self._lock:
            if content in self._kept:
                self._kept.move_to_end(content)
                return self._kept[content]
            found = self._load(content)
            if found is not None:
                self._keep(found)
            return found

    def put(self, image: Pixels) -> None:
        """Keep an image that has tokens, unless its content is not known."""
        if image.content and image.tokens:
            with self._lock:
                self._keep(image)

    def _keep(self, image: Pixels) -> None:
        if image.content not in self._kept:
            self._held += size_of(image)
        self._kept[image.content] = image
        self._kept.move_to_end(image.content)
        while self._held > self.memory:
            oldest = self._kept.popitem(last=False)[1]
            self._held -= size_of(oldest)
            self._store(oldest)

    def _store(self, image: Pixels) -> None:
        size = size_of(image)
        if self.folder is None or size > self.disk or image.content in self._files:
            return
        with suppress(OSError):  # a full disk: the tower sees the image again
            torch.save(_to_plain(image), self._file(image.content))
            self._files[image.content] = size
            self._on_disk += size
        while self._on_disk > self.disk:
            self._remove(next(iter(self._files)))

    def _load(self, content: bytes) -> Pixels | None:
        if content not in self._files:
            return None
        self._files.move_to_end(content)
        try:
            return _from_plain(content, torch.load(self._file(content), weights_only=True))
        except Exception:  # of many kinds: the file was removed, or cut off
            self._remove(content)
            return None

    def _remove(self, content: bytes) -> None:
        self._on_disk -= self._files.pop(content)
        self._file(content).unlink(missing_ok=True)

    def _file(self, content: bytes) -> Path:
        assert self.folder is not None
        return self.folder / f"{content.hex()}.pt"


@contextmanager
def open_cache(memory: float, disk: float) -> Iterator[ImageCache | None]:
    """Yield a cache of so many GiB, its files in a new temporary folder; None for 0."""
    if not memory and not disk:
        yield None
    elif not disk:
        yield ImageCache(int(memory * GIB))
    else:
        with TemporaryDirectory(prefix="e5v-images-", ignore_cleanup_errors=True) as own:
            yield ImageCache(int(memory * GIB), int(disk * GIB), Path(own))


def size_of(image: Pixels) -> int:
    """Return the bytes of an image's tokens."""
    assert image.tokens is not None
    return sum(one.nbytes for one in (image.tokens.tokens, *image.tokens.deep))


def _to_plain(image: Pixels) -> dict[str, Any]:
    assert image.tokens is not None
    tensors = [image.tokens.tokens, *image.tokens.deep]
    return {
        "arrays": image.arrays,
        "expansion": image.expansion,
        "tokens": [one.clone() for one in tensors],  # else the file holds those of its neighbours
    }


def _from_plain(content: bytes, read: dict[str, Any]) -> Pixels:
    tokens, *deep = read["tokens"]
    return Pixels(read["arrays"], read["expansion"], ImageTokens(tokens, tuple(deep)), content)
