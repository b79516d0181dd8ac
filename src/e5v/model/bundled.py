"""The model that comes with the package: small, trained from scratch, opened by its name.

No other file spells its names.

"nano" -> base + adapter, merged when it is opened
"nano-base" -> base only: the multimodal model before training on text

It was trained on scenes of emoji; it is of no use for photographs.
"""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "assets" / "nano"
NANO, BASE = NAMES = ("nano", "nano-base")
PAPER = "royokong/e5-v"  # the paper's own model, on the hub: the one for photographs


def whereabouts(name: str) -> str:
    """Return the folder of a bundled model; any other name is returned unchanged."""
    return str(FOLDER / "base") if name in NAMES else name


def adapter_of(name: str) -> Path | None:
    """Return the adapter that a bundled model is opened with; None for other names."""
    return FOLDER / "adapter" if name == NANO else None


def limits_notice(name: str) -> str | None:
    """Return one line on what a bundled model cannot do; None for other names."""
    if name not in NAMES:
        return None
    return (
        "the bundled model knows emoji scenes only; for photos and texts of any kind use "
        f"{PAPER}, with an index of its own"
    )
