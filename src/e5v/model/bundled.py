"""The model that comes with the package: small, trained from scratch, opened by its name.

"nano" -> base + adapter, merged when it is opened
"nano-base" -> base only: the multimodal model before training on text

It was trained on scenes of emoji; it is of no use for photographs.
"""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "assets" / "nano"
NAMES = ("nano", "nano-base")


def whereabouts(name: str) -> str:
    """Return the folder of a bundled model; any other name is returned unchanged."""
    return str(FOLDER / "base") if name in NAMES else name


def adapter_of(name: str) -> Path | None:
    """Return the adapter that a bundled model is opened with; None for other names."""
    return FOLDER / "adapter" if name == "nano" else None
