"""Resize a picture as a recipe says, before the model's own image processor does.

picture -> each Resize, in order -> picture; limits of pixels -> the image processor's own setting
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import PIL.Image

Size: TypeAlias = tuple[int, int]  # width and height, in pixels


@dataclass(frozen=True)
class Fixed:
    """Make it `width` x `height` pixels, whatever its shape; with `below`, if a side is shorter."""

    width: int
    height: int
    below: int | None = None

    def size(self, size: Size, factor: int) -> Size:
        """Return the size (width, height) that a picture gets."""
        kept = self.below is not None and min(size) >= self.below
        return size if kept else (self.width, self.height)


@dataclass(frozen=True)
class Smart:
    """Make it `least` to `most` pixels with sides that are multiples of a factor.

    The rule of Qwen's vision utilities. It differs from that of the image processor for pictures
    with a side shorter than half the factor.
    """

    least: int
    most: int

    def size(self, size: Size, factor: int) -> Size:
        """Return the size (width, height) that a picture gets; `factor` is in pixels."""
        wide, high = (max(factor, round(side / factor) * factor) for side in size)
        area = size[0] * size[1]
        if wide * high > self.most:
            by = math.sqrt(area / self.most)
            wide, high = (max(factor, math.floor(side / by / factor) * factor) for side in size)
        elif wide * high < self.least:
            by = math.sqrt(self.least / area)
            wide, high = (math.ceil(side * by / factor) * factor for side in size)
        return wide, high


Resize: TypeAlias = Fixed | Smart


def resize(picture: PIL.Image.Image, steps: Sequence[Resize], factor: int) -> PIL.Image.Image:
    """Return an RGB picture after each of the steps, resized with Pillow's bicubic filter."""
    for step in steps:
        size = step.size(picture.size, factor)
        if size != picture.size:
            picture = picture.resize(size)
    return picture


def patch_factor(image_processor: Any) -> int:
    """Return how many pixels one image token is wide: a patch times the patches that are merged."""
    patch, merged = (getattr(image_processor, name, 1) for name in ("patch_size", "merge_size"))
    return int(patch) * int(merged) if isinstance(patch, int) and isinstance(merged, int) else 1


def limit_pixels(image_processor: Any, least: int, most: int) -> None:
    """Let an image processor make images of `least` to `most` pixels."""
    size = image_processor.size
    limits = {"shortest_edge": least, "longest_edge": most}
    image_processor.size = limits if isinstance(size, dict) else type(size)(**limits)
