"""How many tokens a photo takes, by the rule of each family, without its processor.

size in pixels -> the recipe's own resizing -> tiles | a grid | as it is -> Seen: tokens, patches
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from e5v.model.resizing import Resize, Size, Smart

PHOTO: Size = (640, 480)  # width and height of the photo that prices are of


@dataclass(frozen=True)
class Seen:
    """What a model reads a photo as: image tokens, made of patches.

    `sequences` are the numbers of patches that go through the vision tower together, one for each
    tile.
    """

    tokens: int
    sequences: tuple[int, ...]


class Rule(Protocol):
    """How a family cuts an image."""

    @property
    def factor(self) -> int:
        """The width of an image token, in pixels."""

    def see(self, size: Size) -> Seen:
        """Return what an image of `size` (width, height) is read as: its tokens and patches."""


@dataclass(frozen=True)
class Tiles:
    """LLaVA-NeXT: the whole image in one tile, and in several at a higher resolution.

    `pinpoints` are the sizes (height, width) that the several may have together, in pixels; `tile`
    is the side of one, and `patch` that of a patch. A tile has `extra` patches, for its class.
    """

    tile: int
    patch: int
    pinpoints: tuple[Size, ...]
    extra: int = 1

    @property
    def factor(self) -> int:
        """The width of an image token, in pixels."""
        return self.patch

    def see(self, size: Size) -> Seen:
        """Return what an image of `size` (width, height) is read as: its tokens and patches."""
        width, height = size
        high, wide = (side // self.tile for side in self._best(size))
        side = self.tile // self.patch
        rows, columns = high * side, wide * side
        if width / height > columns / rows:
            kept = int(round(height * (columns / width), 7))
            rows -= (rows - kept) // 2 * 2
        else:
            kept = int(round(width * (rows / height), 7))
            columns -= (columns - kept) // 2 * 2
        tokens = side**2 + rows * columns + rows  # a row ends in a token of its own
        return Seen(tokens, (side**2 + self.extra,) * (high * wide + 1))

    def _best(self, size: Size) -> Size:
        """Return the pinpoint (height, width) that keeps most of the image, and wastes least."""
        width, height = size

        def rank(pinpoint: Size) -> tuple[int, int]:
            scale = min(pinpoint[1] / width, pinpoint[0] / height)
            used = min(int(width * scale) * int(height * scale), width * height)
            return used, used - pinpoint[0] * pinpoint[1]

        return max(self.pinpoints, key=rank)


@dataclass(frozen=True)
class Grid:
    """Qwen: the image at about its own size, `least` to `most` pixels of it.

    A patch is `patch` pixels wide, and `merged` x `merged` of them become one token.
    """

    patch: int
    least: int
    most: int
    merged: int = 2

    @property
    def factor(self) -> int:
        """The width of an image token, in pixels."""
        return self.patch * self.merged

    def see(self, size: Size) -> Seen:
        """Return what an image of `size` (width, height) is read as: its tokens and patches."""
        width, height = Smart(self.least, self.most).size(size, self.factor)
        tokens = (width // self.factor) * (height // self.factor)
        return Seen(tokens, (tokens * self.merged**2,))


@dataclass(frozen=True)
class Whole:
    """One image of a fixed size, whatever it was: always as many tokens."""

    tokens: int
    factor: int = 1

    def see(self, size: Size) -> Seen:
        """Return what any image is read as: its tokens and patches."""
        del size
        return Seen(self.tokens, (self.tokens,))


def see(
    rule: Rule, resize: Sequence[Resize], pixels: tuple[int, int] | None, size: Size = PHOTO
) -> Seen:
    """Return what a model reads a photo of `size` as, by its recipe and pixel limits."""
    for step in resize:
        size = step.size(size, rule.factor)
    if pixels and isinstance(rule, Grid):
        rule = Grid(rule.patch, *pixels, rule.merged)
    return rule.see(size)
