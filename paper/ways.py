"""How images are made for an evaluation: cut into tiles, and drawn from captions.

Two things the paper depends on without saying so: the library that it pins cut images wrongly, and
what draws captions depends on the machine. Each is measured both ways.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import features

from e5v.evaluation.caption_images import Layout
from e5v.model.backbones import Tiling

CORRECT: Tiling = "correct"
BASIC: Layout = "basic"


@dataclass(frozen=True)
class Way:
    """How images are cut into tiles, and what places the letters of drawn captions."""

    tiling: Tiling = CORRECT
    layout: Layout = BASIC

    def name(self, label: str) -> str:
        """Name the evaluation of a model."""
        parts = (label, *(one for one in (self.tiling, self.layout) if one not in (CORRECT, BASIC)))
        return "-".join(parts)

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.tiling} tiling" + ("" if self.layout == BASIC else f", {self.layout} layout")


USUAL, OLD, SHAPED = Way(), Way(tiling="transformers-4.41"), Way(layout="raqm")


def list_layouts() -> tuple[Layout, ...]:
    """Return the layouts that Pillow has here."""
    return ("basic", "raqm") if features.check("raqm") else ("basic",)


def list_ways(tilings: tuple[Tiling, ...], layouts: tuple[Layout, ...]) -> Iterator[Way]:
    """Yield the usual way, then each other one, which differs from it in one thing."""
    yield from (Way(tiling=one) for one in tilings)
    yield from (Way(layout=one) for one in layouts if one != BASIC)
