"""The paper's plot of the modality gap: Figures 3 and 5.

unit rows, images first -> two singular vectors, not centred -> points in their plane
planes by name -> panels side by side -> PNG
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 1_000  # points of a kind that a plane keeps
DIGITS = 4  # of a coordinate that is kept
BLUE, ORANGE = "#2b6cb0", "#d9730d"  # distinguishable with colour blindness
INK, GREY, LINE = "#1f2937", "#6b7280", "#e5e7eb"
INCHES, DPI = (6.4, 4.8), 150  # of a panel
MARGIN = 0.12  # inches around a panel
PANELS = 3  # side by side

Point = tuple[float, float]


@dataclass(frozen=True)
class Plane:
    """Images and texts in the plane through the origin that fits all of them best.

    The axes are the first two right singular vectors of all rows together, not centred. The mean
    of all rows lies to the right, and the mean text not below the mean image. `shares` are the
    parts of the rows' squared lengths along the axes. Of more than 1,000 points of a kind,
    1,000 evenly picked ones are kept.
    """

    images: tuple[Point, ...]
    texts: tuple[Point, ...]
    shares: Point

    @property
    def axes(self) -> tuple[str, str]:
        """The labels of the axes."""
        first, second = self.shares
        return f"first singular vector ({first:.1%})", f"second singular vector ({second:.1%})"


def find_plane(rows: NDArray[np.float32], images: int) -> Plane:
    """Find the plane of unit rows (n, d), d >= 3; the first `images` of them are images."""
    from scipy.sparse.linalg import (  # type: ignore[import-untyped, unused-ignore]
        LinearOperator,
        eigsh,
    )

    def product(vector: NDArray[np.float32]) -> NDArray[np.float32]:
        columns: NDArray[np.float32] = rows.T @ (rows @ vector.astype(np.float32))
        return columns

    width = rows.shape[1]
    squares = LinearOperator((width, width), matvec=product, dtype=np.float32)
    start = np.random.default_rng(0).standard_normal(width, dtype=np.float32)
    lengths, axes = eigsh(squares, k=2, v0=start)  # the shorter first
    points: NDArray[np.float32] = rows @ axes[:, ::-1]
    # The sign of a singular vector is arbitrary; choose it independently of the order of rows.
    right = points[:, 0].mean()
    up = points[images:, 1].mean() - points[:images, 1].mean()
    points *= np.where(np.array([right, up]) < 0, np.float32(-1), np.float32(1))
    first, second = lengths[::-1] / len(rows)
    return Plane(
        images=_sample_points(points[:images]),
        texts=_sample_points(points[images:]),
        shares=(round(float(first), DIGITS), round(float(second), DIGITS)),
    )


def _sample_points(points: NDArray[np.float32]) -> tuple[Point, ...]:
    places = np.linspace(0, len(points) - 1, min(len(points), SHOWN)).astype(int)
    return tuple((round(float(x), DIGITS), round(float(y), DIGITS)) for x, y in points[places])


def draw_planes(planes: Mapping[str, Plane]) -> bytes:
    """Draw planes, at least one, as a PNG: one panel each, with its name."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    across = min(len(planes), PANELS)
    down = -(-len(planes) // across)
    width, height = INCHES
    layout = ConstrainedLayoutEngine(w_pad=MARGIN, h_pad=MARGIN)
    figure = Figure((width * across, height * down), dpi=DPI, layout=layout)
    figure.set_facecolor("white")
    panels = figure.subplots(down, across, squeeze=False).flat
    for (name, plane), axes in zip(planes.items(), panels, strict=False):
        _draw_points(axes, plane)
        _style_panel(axes, name, plane)
    for axes in panels:  # unused ones
        axes.set_axis_off()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _draw_points(axes: Axes, plane: Plane) -> None:
    points = np.array([*plane.images, *plane.texts])
    colours = np.repeat([BLUE, ORANGE], [len(plane.images), len(plane.texts)])
    order = np.random.default_rng(0).permutation(len(points))  # neither kind hides the other
    across, upward = points[order].T
    axes.scatter(across, upward, c=colours[order], s=14, alpha=0.6, linewidths=0)
    for name, colour in (("images", BLUE), ("texts", ORANGE)):
        axes.scatter([], [], c=colour, s=30, linewidths=0, label=name)


def _style_panel(axes: Axes, title: str, plane: Plane) -> None:
    """Set a panel's title, labels, grid and legend."""
    across, upward = plane.axes
    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", parse_math=False)
    axes.set_xlabel(across, color=GREY, fontsize=10)
    axes.set_ylabel(upward, color=GREY, fontsize=10)
    axes.margins(0.06)
    axes.tick_params(colors=GREY, labelsize=9, length=0)
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.legend(
        frameon=False,
        fontsize=10,
        labelcolor=INK,
        loc="lower right",
        bbox_to_anchor=(1, 0.99),
        ncols=2,
    )
