"""The log of a run as one plot.

log.jsonl -> the values of every step -> one panel for each quantity logged -> PNG

Noisy values are drawn pale, with their running mean over them in full colour.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError
from e5v.extras import imported
from e5v.files import write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN = "#2b6cb0", "#d9730d", "#2f9e63"  # distinguishable with colour blindness
INK, GREY, LINE = "#1f2937", "#6b7280", "#e5e7eb"
WIDTH, HEIGHT = 5.2, 2.9  # inches of a panel
DPI = 150
SMOOTHED = 50  # from so many values on, a mean takes 1/50 of them on either side


@dataclass(frozen=True)
class Curve:
    """One quantity: its key in the log, and its name where a panel has several."""

    key: str
    colour: str = BLUE
    name: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel: curves in `unit`, which are the log's values times `scale`.

    The last value is shown in `form`. `noisy` values are drawn with their running mean, others as
    they are. `from_zero` starts the axis at 0.
    """

    title: str
    unit: str
    form: str
    curves: tuple[Curve, ...]
    scale: float = 1.0
    noisy: bool = True
    from_zero: bool = False


PANELS = (
    Panel("Loss", "nats", ".3f", (Curve("loss"),)),
    Panel("Own positive ranked first", "% of anchors", ".1f", (Curve("accuracy"),), scale=100),
    Panel("Learning rate", "", ".1e", (Curve("lr"),), noisy=False, from_zero=True),
    Panel("Throughput", "tokens / s", ",.0f", (Curve("tokens_per_second"),), from_zero=True),
    Panel(
        "Held-out recall",
        "% right at rank 1",
        ".1f",
        (
            Curve("text_recall", BLUE, "anchor → positive"),
            Curve("image_recall", ORANGE, "caption → image"),
            Curve("caption_recall", GREEN, "image → caption"),
        ),
        scale=100,
        noisy=False,
    ),
    Panel("Modality gap", "centroid distance", ".3f", (Curve("gap"),), noisy=False, from_zero=True),
)


@dataclass(frozen=True)
class Series:
    """The values of one quantity and the steps they belong to, in order."""

    steps: NDArray[np.float64]
    values: NDArray[np.float64]


def draw(log: Path, target: Path) -> None:
    """Draw a run's log as a PNG, written completely or not at all.

    Raises:
        DataError: the log has no step.
    """
    with imported("drawing a run"):
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

    steps = read_log(log)
    panels = [panel for panel in PANELS if any(_series(steps, panel))]
    if not panels:
        raise DataError(f"{log} has no step to draw; train for one step at least")
    rows = math.ceil(len(panels) / 2)
    layout = ConstrainedLayoutEngine(wspace=0.06, hspace=0.06, rect=(0.01, 0.01, 0.975, 0.98))
    figure = Figure((2 * WIDTH, rows * HEIGHT), dpi=DPI, layout=layout, facecolor="white")
    grid = figure.add_gridspec(rows, 2)
    for place, panel in enumerate(panels):
        alone = place == len(panels) - 1 and place % 2 == 0
        cell = grid[place // 2, :] if alone else grid[place // 2, place % 2]
        _draw_panel(figure.add_subplot(cell), panel, steps)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_file(target, picture.getvalue())


def read_log(log: Path) -> dict[int, dict[str, Any]]:
    """Return what was logged of each step, in order; a line cut off by a kill is skipped.

    Of a step repeated after a kill, the last values count.
    """
    steps: dict[int, dict[str, Any]] = {}
    for line in log.read_bytes().splitlines():
        try:
            values = json.loads(line)
            steps.setdefault(int(values["step"]), {}).update(values)
        except (ValueError, TypeError, KeyError):
            continue
    return dict(sorted(steps.items()))


def running_mean(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Return the mean of each value (n,) and `reach` neighbours on either side of it.

    At the end, fewer neighbours follow; at the start, where curves are steepest, as many follow a
    value as precede it.
    """
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    first = np.maximum(places - reach, 0)
    end = np.minimum(places + np.minimum(reach, places) + 1, len(values))
    means: NDArray[np.float64] = (sums[end] - sums[first]) / (end - first)
    return means


def _series(steps: dict[int, dict[str, Any]], panel: Panel) -> Sequence[Series | None]:
    return [_values(steps, curve.key, panel.scale) for curve in panel.curves]


def _values(steps: dict[int, dict[str, Any]], key: str, scale: float) -> Series | None:
    """Return the finite values of a quantity; None if there are none."""
    found = {step: values[key] for step, values in steps.items() if _is_number(values.get(key))}
    if not found:
        return None
    return Series(np.array(list(found), float), np.array(list(found.values()), float) * scale)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _draw_panel(axes: Axes, panel: Panel, steps: dict[int, dict[str, Any]]) -> None:
    for curve, series in zip(panel.curves, _series(steps, panel), strict=True):
        if series is not None:
            _draw_curve(axes, panel, curve, series)
    _style_panel(axes, panel)
    margin = max(0.02 * (max(steps) - min(steps)), 0.5)
    axes.set_xlim(min(steps) - margin, max(steps) + margin)


def _draw_curve(axes: Axes, panel: Panel, curve: Curve, series: Series) -> None:
    """Draw one curve, and write its last value beside the title or in the legend."""
    few = len(series.values) < SMOOTHED
    reach = len(series.values) // SMOOTHED if panel.noisy else 0
    strong = running_mean(series.values, reach)
    last = format(strong[-1], panel.form)
    if reach:
        axes.plot(series.steps, series.values, color=curve.colour, alpha=0.25, linewidth=0.8)
    axes.plot(
        series.steps,
        strong,
        color=curve.colour,
        linewidth=1.8,
        label=f"{curve.name}  {last}",
        marker="o" if few else "",
        markersize=3.5,
    )
    if not curve.name:
        axes.set_title(last, loc="right", color=GREY, fontsize=10)


def _style_panel(axes: Axes, panel: Panel) -> None:
    """Set a panel's title, labels, ticks and grid."""
    from matplotlib.ticker import MaxNLocator

    axes.set_title(panel.title, loc="left", color=INK, fontsize=11, fontweight="bold")
    axes.set_ylabel(panel.unit, color=GREY, fontsize=9)
    axes.set_xlabel("step", color=GREY, fontsize=9)
    round_steps = [1, 2, 2.5, 5, 10]
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1, steps=round_steps))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=round_steps))
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.tick_params(colors=GREY, labelsize=9, length=0)
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    if panel.from_zero:
        axes.set_ylim(0, 1.05 * axes.dataLim.ymax or 1)
    if len(panel.curves) > 1:
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)
