"""The texts of a report, the same in all formats.

Figure, BenchmarkRun, Setting, Gap -> strings
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from e5v.evaluation.gap import NEIGHBOURS, Gap
from e5v.evaluation.scores import BenchmarkRun, Figure, Setting

MINUTE, HOUR = 60, 3600  # seconds


@dataclass(frozen=True)
class Measure:
    """One measure of some gaps: its name, a value for each gap, and how to read it."""

    name: str
    values: tuple[str, ...]
    meaning: str


def percent(value: float | None) -> str:
    """Write a figure, or "n/a"."""
    return "n/a" if value is None else f"{value:.2f}"


def signed(difference: float | None) -> str:
    """Write a difference with its sign; an empty string for None."""
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


def counted(run: BenchmarkRun) -> str:
    """Write the items of a benchmark by kind."""
    return ", ".join(f"{count:,} {what}" for what, count in run.counts.items())


def cost(run: BenchmarkRun) -> str:
    """Write the cost of embedding the items of a benchmark."""
    rate = f" ({run.embedded / run.seconds:,.1f} a second)" if run.embedded and run.seconds else ""
    anew = f"{run.embedded:,} embedded in {duration(run.seconds)}{rate}"
    return f"{anew}, {run.remembered:,} from the cache" if run.remembered else anew


def facts(setting: Setting) -> dict[str, str]:
    """Return the settings by name, without prompts and data."""
    embedded = sum(run.embedded for run in setting.runs)
    seconds = sum(run.seconds for run in setting.runs)
    found = {
        "model": setting.model,
        "fingerprint": setting.fingerprint,
        "dtype": setting.dtype,
        "device": setting.device,
        "tiling": "" if setting.tiling == "correct" else setting.tiling,
        "tokens of an image": f"{setting.image_tokens:,} at most" if setting.image_tokens else "",
        "weights": "" if setting.weights == "full" else setting.weights,
        "read-out": setting.readout,
        "chat turn": setting.turn,
        "paper's figures": setting.paper,
        "embedded": f"{embedded:,} items in {duration(seconds)}",
        "versions": ", ".join(f"{name} {number}" for name, number in setting.versions.items()),
        "when": setting.when,
    }
    return {name: fact for name, fact in found.items() if fact}


def numbered(figures: Iterable[Figure]) -> dict[str, int]:
    """Number the notes of some figures, from 1, as footnotes."""
    notes = dict.fromkeys(one.note for one in figures if one.note)
    return {note: number for number, note in enumerate(notes, 1)}


def gap_measures(gaps: Iterable[Gap]) -> list[Measure]:
    """Write the measures of gaps, without those that no gap has."""
    every = list(gaps)
    measures = [Measure(name, tuple(map(say, every)), meaning) for name, say, meaning in MEASURES]
    return [measure for measure in measures if any(measure.values)]


def _format_decimals(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


MEASURES: tuple[tuple[str, Callable[[Gap], str], str], ...] = (
    ("images", lambda gap: f"{gap.images:,}", ""),
    ("texts", lambda gap: f"{gap.texts:,}", ""),
    (
        "centroid distance",
        lambda gap: _format_decimals(gap.centroid_distance),
        "0 is no gap, 2 the widest",
    ),
    (
        "separability",
        lambda gap: f"{gap.separability:.1%}",
        "held-out accuracy of a plane; 50% if mixed",
    ),
    (
        "texts near an image",
        lambda gap: f"{gap.texts_near_images:.1%}",
        f"of its {NEIGHBOURS} nearest",
    ),
    ("by chance", lambda gap: f"{gap.texts_by_chance:.1%}", "if there were no gap"),
    (
        "images near a text",
        lambda gap: f"{gap.images_near_texts:.1%}",
        f"of its {NEIGHBOURS} nearest",
    ),
    ("by chance", lambda gap: f"{gap.images_by_chance:.1%}", "if there were no gap"),
    ("cosine of true pairs", lambda gap: _format_decimals(gap.cosine_true), "mean"),
    ("cosine of other pairs", lambda gap: _format_decimals(gap.cosine_others), "mean"),
    ("cosine of two images", lambda gap: _format_decimals(gap.cosine_images), "mean"),
    ("cosine of two texts", lambda gap: _format_decimals(gap.cosine_texts), "mean"),
    ("alignment", lambda gap: _format_decimals(gap.alignment), "of true pairs; lower is closer"),
    (
        "uniformity",
        lambda gap: _format_decimals(gap.uniformity),
        "of all; lower is more evenly spread",
    ),
    (
        "uniformity of images",
        lambda gap: _format_decimals(gap.uniformity_images),
        "of images alone",
    ),
    ("uniformity of texts", lambda gap: _format_decimals(gap.uniformity_texts), "of texts alone"),
)
