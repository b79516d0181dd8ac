"""The pictures of docs/photographs.md: the curve of a training, and photos as thumbnails.

results         -> R@1 of photos against STS, step by step -> PNG
demo photos     -> JPEGs of 168 pixels
"""

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from e5v.evaluation.plane import BLUE, GREY, LINE
from nano.findings import BOTH, ONE_WORD, Findings, Sample
from photos.claims import STS

SIDE = 168  # pixels of a thumbnail, at most
QUALITY = 75  # of a thumbnail's JPEG
INCHES, DPI = (6.0, 4.2), 150
LABELS = ((8, -14, "left"), (-8, 6, "right"), (8, 4, "left"))  # neighbours lie close together


@dataclass(frozen=True)
class Point:
    """A training after so many steps: R@1 of photos both ways, and Spearman's correlation."""

    step: int
    photos: Sample
    texts: Sample | None


def find_points(findings: Findings) -> list[Point]:
    """Return the points of the curve, from the untuned model on."""
    text = findings.first("text")
    if text is None:
        return []
    numbers = text["trained"]
    places = [(0, "base", ONE_WORD)]
    places += [(step, "text", f"after {step}") for step in numbers["curve"]]
    places += [(numbers["steps"], "text", ONE_WORD)]
    points = []
    for step, setting, variant in places:
        photos = findings.figure(setting, BOTH, "R@1", variant)
        if photos:
            texts = findings.figure(setting, STS, "Spearman", variant)
            points.append(Point(step, photos, texts))
    return points


def draw_curve(points: list[Point]) -> bytes | None:
    """Draw the points as a PNG, with the spread over seeds; None if texts were not measured."""
    drawn = [(one.step, one.photos, one.texts) for one in points if one.texts]
    if not drawn:
        return None
    from matplotlib.figure import Figure

    figure = Figure(INCHES, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    xs, ys = [texts.mean for _, _, texts in drawn], [photos.mean for _, photos, _ in drawn]
    axes.errorbar(
        xs,
        ys,
        xerr=[texts.spread or 0 for _, _, texts in drawn],
        yerr=[photos.spread or 0 for _, photos, _ in drawn],
        color=BLUE,
        marker="o",
        capsize=3,
    )
    for place, ((step, _, _), x, y) in enumerate(zip(drawn, xs, ys, strict=True)):
        title = f"{step} steps" if step else "untuned"
        right, up, side = LABELS[place % len(LABELS)]
        axes.annotate(title, (x, y), (right, up), textcoords="offset points", ha=side, color=GREY)
    axes.set_xlabel("texts: STS-B, Spearman x 100", color=GREY)
    axes.set_ylabel("photographs: R@1, mean of both ways", color=GREY)
    axes.grid(color=LINE)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.margins(0.15)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def make_thumbnail(photo: Path) -> bytes:
    """Return a photo as a small JPEG."""
    with Image.open(photo) as opened:
        small = opened.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()
