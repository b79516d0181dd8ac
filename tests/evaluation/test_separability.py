"""Separability of point clouds for which it is known without a classifier."""

from math import erf, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from e5v.evaluation.gap import measure_gap

Rows = NDArray[np.float32]
EAST, NORTH = np.eye(2, 4, dtype=np.float32)
WEST, SOUTH = -EAST, -NORTH


def place(*spots: tuple[Rows, int]) -> Rows:
    """Return so many rows at each spot."""
    return np.concatenate([np.repeat(spot[None], count, axis=0) for spot, count in spots])


@pytest.mark.parametrize(
    ("images", "texts", "expected"),
    [
        ((40, 0), (0, 60), 1),
        ((32, 8), (12, 28), (0.8 + 0.7) / 2),
        ((32, 8), (100, 300), (0.8 + 0.75) / 2),  # by number, all would be called texts
        ((450, 50), (4, 6), (0.9 + 0.6) / 2),  # and here all would be called images
    ],
)
def test_two_spots(images: tuple[int, int], texts: tuple[int, int], expected: float) -> None:
    """Catches kinds that weigh by their numbers in the plane or in the mean, and wrong sides.

    A plane can only tell the two spots apart: right are the images at one, the texts at the other.
    """
    first, second = (place((EAST, here), (NORTH, there)) for here, there in (images, texts))
    assert measure_gap(first, second).separability == pytest.approx(expected, abs=1e-12)
    assert measure_gap(second, first).separability == pytest.approx(expected, abs=1e-12)


def test_kinds_that_no_plane_separates() -> None:
    """Catches a classifier that is no plane: of these four spots, a plane has at most three."""
    images, texts = place((EAST, 50), (WEST, 50)), place((NORTH, 50), (SOUTH, 50))
    assert measure_gap(images, texts).separability <= 0.75


@pytest.mark.parametrize("apart", [0.5, 1.0, 2.0])
def test_two_bells(apart: float) -> None:
    """Catches a plane that is not the best one, or is judged by the rows it was fitted to.

    Angles of images and texts lie in bells, `apart` standard deviations to each side of 0: the best
    plane is right for the share of a bell on its side, Phi(apart).
    """
    draw, spread = np.random.default_rng(5), 0.05
    angles = [spread * (side * apart + draw.standard_normal(3_000)) for side in (-1, 1)]
    images, texts = (np.outer(np.cos(one), EAST) + np.outer(np.sin(one), NORTH) for one in angles)
    best = (1 + erf(apart / sqrt(2))) / 2
    assert measure_gap(images, texts).separability == pytest.approx(best, abs=0.015)
