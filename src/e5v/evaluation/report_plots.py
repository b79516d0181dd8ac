"""Plots of a report as SVG, in the colours of the page.

figure -> bars of ours and the paper's
plane of the gap -> a view of it -> grid, dots, names of the axes
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from e5v.evaluation.plane import Plane, Point
from e5v.evaluation.report_text import percent
from e5v.evaluation.scores import Figure

WIDTH, HEIGHT = 560, 440  # of the plane's picture, in its own units
LEFT, RIGHT, TOP, BOTTOM = 66, 536, 8, 384  # where its points are
INSIDE = 0.94  # of that, so that no dot is cut
LEAST_SPAN = 1e-3  # if all points coincide
LINES = 9  # of the grid, across and up, about
STEPS = (1, 2, 5, 10)  # between them, times a power of ten
LAYERS = 8  # alternating images and texts, so that neither hides the other


def bars(figure: Figure) -> str:
    """Draw a figure from 0 to 100, and the paper's as a thinner bar under it."""
    ours = f"{_draw_bar(figure.value, 'ours', 1, 8)}{_draw_bar(figure.paper, 'published', 11, 4)}"
    return (
        '<svg viewBox="0 0 100 16" preserveAspectRatio="none" role="img" '
        f'aria-label="{percent(figure.value)} of 100">'
        f'<rect width="100" height="16" fill="var(--track)"/>{ours}</svg>'
    )


def _draw_bar(value: float | None, colour: str, top: int, height: int) -> str:
    width = min(max(value or 0, 0), 100)
    return f'<rect y="{top}" width="{width:.2f}" height="{height}" fill="var(--{colour})"/>'


@dataclass(frozen=True)
class View:
    """The part of the plane that its points fill: middle and width on either axis."""

    middle: Point
    width: Point

    @classmethod
    def of(cls, points: Sequence[Point]) -> View:
        """Show all points."""
        (left, right), (low, high) = ((min(one), max(one)) for one in zip(*points, strict=True))
        across, upward = (max(span, LEAST_SPAN) / INSIDE for span in (right - left, high - low))
        return cls(((left + right) / 2, (low + high) / 2), (across, upward))

    def place(self, point: Point) -> Point:
        """Return where a point of the plane is in the picture, whose y grows downwards."""
        x = (point[0] - self.middle[0]) / self.width[0] + 0.5
        y = (point[1] - self.middle[1]) / self.width[1] + 0.5
        return LEFT + x * (RIGHT - LEFT), BOTTOM - y * (BOTTOM - TOP)

    def ticks(self, axis: int) -> list[float]:
        """Return round numbers along an axis, in order."""
        middle, width = self.middle[axis], self.width[axis]
        ten = 10 ** math.floor(math.log10(width / LINES))
        step = next(times * ten for times in STEPS if times * ten >= width / LINES)
        first, last = (
            math.ceil((middle - width / 2) / step),
            math.floor((middle + width / 2) / step),
        )
        return [number * step for number in range(first, last + 1)]


def plot(plane: Plane) -> str:
    """Draw a plane."""
    view = View.of([*plane.images, *plane.texts])
    layers = "".join(
        _draw_dots(points[layer::LAYERS], colour, view)
        for layer in range(LAYERS)
        for points, colour in ((plane.images, "ours"), (plane.texts, "texts"))
    )
    across, upward = (escape(name) for name in plane.axes)
    middle = (TOP + BOTTOM) // 2
    return (
        f'<svg class="plane" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="images and texts as dots">{_draw_grid(view)}{layers}'
        f'<text x="{(LEFT + RIGHT) // 2}" y="{HEIGHT - 6}" text-anchor="middle">{across}</text>'
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{upward}</text>'
        "</svg>"
    )


def _draw_grid(view: View) -> str:
    parts = []
    for value in view.ticks(0):
        x = view.place((value, 0))[0]
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{BOTTOM}"/>'
            f'<text x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle">'
            f"{_format_number(value)}</text>"
        )
    for value in view.ticks(1):
        y = view.place((0, value))[1]
        parts.append(
            f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_format_number(value)}</text>'
        )
    return "".join(parts)


def _format_number(value: float) -> str:
    return f"{round(value, 6):g}"


def _draw_dots(points: Sequence[Point], colour: str, view: View) -> str:
    """Draw points as one path: a line of no length with round ends is a dot."""
    places = (view.place(point) for point in points)
    path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)
    return f'<path d="{path}" stroke="var(--{colour})"/>'
