"""The drawings of a report's page: bars, and the plane of the gap."""

import re

import numpy as np
import pytest

from e5v.evaluation.plane import Plane
from e5v.evaluation.report_plots import BOTTOM, LEFT, RIGHT, TOP, View, bars, plot
from e5v.evaluation.scores import Figure


def test_bars_have_the_lengths_of_figures() -> None:
    """A bar that runs out of its track, or ours and the paper's exchanged."""
    drawn = bars(Figure("a", "b", "c", 61.25, 52.0))
    assert re.findall(r'width="([\d.]+)" height="\d+" fill="var\(--(\w+)\)"', drawn)[1:] == [
        ("61.25", "ours"),
        ("52.00", "published"),
    ]
    assert 'width="0.00"' in bars(Figure("a", "b", "c", -12.0))
    assert 'width="100.00"' in bars(Figure("a", "b", "c", 130.0))


@pytest.mark.parametrize("spread", [(1.0, 0.01), (0.01, 1.0), (0.5, 0.5), (0.0, 0.0)])
def test_a_view_holds_every_point(spread: tuple[float, float]) -> None:
    """Points outside of the picture or all in a corner of it, or a grid without lines."""
    points = np.random.default_rng(0).random((50, 2)) * spread + (0.3, -0.4)
    places = [(float(x), float(y)) for x, y in points]
    view = View.of(places)
    xs, ys = zip(*map(view.place, places), strict=True)
    assert LEFT <= min(xs) <= max(xs) <= RIGHT
    assert TOP <= min(ys) <= max(ys) <= BOTTOM
    if all(spread):
        assert max(xs) - min(xs) > 0.9 * (RIGHT - LEFT)
        assert max(ys) - min(ys) > 0.9 * (BOTTOM - TOP)
    for axis in (0, 1):
        assert 4 <= len(view.ticks(axis)) <= 10
    drawn = plot(Plane(tuple(places[:30]), tuple(places[30:]), (0.6, 0.2)))
    assert drawn.count("h0") == 50
    assert "first singular vector (60.0%)" in drawn
