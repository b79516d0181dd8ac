"""The model that comes with the package: small, trained from scratch, opened by its name.

"nano" -> base + adapter, merged when it is opened
"nano-base" -> base only: the multimodal model before training on text

It was trained on scenes of emoji; it is of no use for photographs.
"""

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "assets" / "nano"
NAMES = ("nano", "nano-base")


def whereabouts(name: str) -> str:
    """Return the folder of a bundled model; any other name is returned unchanged."""
    return str(FOLDER / "base") if name in NAMES else name


def tune(name: str, model: Any) -> None:
    """Merge the adapter of "nano" into an open model; do nothing for other names."""
    if name == "nano":
        add(FOLDER / "adapter", model)


def add(adapter: Path, model: Any) -> None:
    """Merge an adapter in peft's format into the open model that it was trained on."""
    import torch

    from e5v.model.lora import open_lora
    from e5v.model.partial import language_path

    lora = open_lora(adapter)
    own = language_path(model)
    weights = dict(model.get_decoder().named_parameters())
    with torch.no_grad():
        for path in lora.a:
            weight = weights[f"{path.removeprefix(f'{own}.')}.weight"]
            weight.copy_(lora.added_to(path, weight))
