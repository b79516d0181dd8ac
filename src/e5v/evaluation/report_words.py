"""How a report is put into words, the same on each of its faces.

Figure, Run, Setting, Gap -> what people read
"""

from dataclasses import dataclass

from e5v.evaluation.figures import Run, Setting
from e5v.evaluation.gap import NEIGHBOURS, Gap

MINUTE, HOUR = 60, 3600  # seconds


@dataclass(frozen=True)
class Measure:
    """One measure of a gap: what it is called, its value, and how to read it."""

    name: str
    value: str
    meaning: str


def percent(value: float | None) -> str:
    """Write a figure, or that there is none."""
    return "n/a" if value is None else f"{value:.2f}"


def signed(difference: float | None) -> str:
    """Write a difference with its sign; nothing for none."""
    if difference is None:
        return ""
    written = f"{difference:+.2f}"
    return written if written.strip("+-0.") else "0.00"


def duration(seconds: float) -> str:
    """Write seconds in the two units that matter."""
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE:02} min"


def counted(run: Run) -> str:
    """Write what data a benchmark has."""
    return ", ".join(f"{count:,} {what}" for what, count in run.counts.items())


def cost(run: Run) -> str:
    """Write what it took to embed the items of a benchmark."""
    rate = f" ({run.embedded / run.seconds:,.1f} a second)" if run.embedded and run.seconds else ""
    anew = f"{run.embedded:,} embedded in {duration(run.seconds)}{rate}"
    return f"{anew}, {run.remembered:,} remembered" if run.remembered else anew


def facts(setting: Setting) -> dict[str, str]:
    """Name what was measured with, but for prompts and data."""
    embedded = sum(run.embedded for run in setting.runs)
    seconds = sum(run.seconds for run in setting.runs)
    return {
        "model": setting.model,
        "fingerprint": setting.fingerprint,
        "dtype": setting.dtype,
        "device": setting.device,
        "read-out": setting.readout,
        "embedded": f"{embedded:,} items in {duration(seconds)}",
        "versions": ", ".join(f"{name} {number}" for name, number in setting.versions.items()),
        "when": setting.when,
    }


def gap_measures(gap: Gap) -> list[Measure]:
    """Put the measures of a gap into words, those that could be taken."""
    measures = [
        Measure("centroid distance", _decimals(gap.centroid_distance), "0 is no gap, 2 the widest"),
        Measure("separability", f"{gap.separability:.1%}", "by a plane, held out; 50% if mixed"),
        Measure(
            "texts near an image",
            f"{gap.texts_near_images:.1%}",
            f"of its {NEIGHBOURS} nearest; {gap.texts_by_chance:.1%} by chance",
        ),
        Measure(
            "images near a text",
            f"{gap.images_near_texts:.1%}",
            f"of its {NEIGHBOURS} nearest; {gap.images_by_chance:.1%} by chance",
        ),
        Measure("cosine of true pairs", _decimals(gap.cosine_true), "mean"),
        Measure("cosine of other pairs", _decimals(gap.cosine_others), "mean"),
        Measure("cosine of two images", _decimals(gap.cosine_images), "mean"),
        Measure("cosine of two texts", _decimals(gap.cosine_texts), "mean"),
        Measure("alignment", _decimals(gap.alignment), "of true pairs; lower is closer"),
        Measure("uniformity", _decimals(gap.uniformity), "of all; lower is more evenly spread"),
        Measure("uniformity of images", _decimals(gap.uniformity_images), "of images alone"),
        Measure("uniformity of texts", _decimals(gap.uniformity_texts), "of texts alone"),
    ]
    return [measure for measure in measures if measure.value]


def _decimals(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
