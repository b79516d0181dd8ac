"""The model that comes with the package: small, made from nothing, and known by name.

"nano" -> base + adapter -> merged as it is opened
"nano-base" -> base alone: the multimodal model as it was before it was tuned on text

It knows scenes of emoji, and says nothing of photographs.
"""

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "assets" / "nano"
NAMES = ("nano", "nano-base")


def whereabouts(name: str) -> str:
    """Return where a model's files are: for a bundled name its folder, any other as it is."""
    return str(FOLDER / "base") if name in NAMES else name


def tune(name: str, model: Any) -> None:
    """Add to an open model the adapter that belongs to its name, if one does."""
    if name == "nano":
        add(FOLDER / "adapter", model)


def add(adapter: Path, model: Any) -> None:
    """Add an adapter, in peft's format, to the open model that it was trained on."""
    import torch

    from e5v.model.lora import open_lora
    from e5v.model.parts import language_path

    lora = open_lora(adapter)
    own = language_path(model)
    weights = dict(model.get_decoder().named_parameters())
    with torch.no_grad():
        for path in lora.a:
            weight = weights[f"{path.removeprefix(f'{own}.')}.weight"]
            weight.copy_(lora.added_to(path, weight))
