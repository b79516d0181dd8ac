"""Small random checkpoints of the real classes, each with its real processor, built on the spot.

name -> Family.build -> a folder that AutoProcessor and AutoModelForImageTextToText open offline.
AutoProcessor wants torchvision where a family knows videos: load_processor does without it.

Pixtral (Mistral 3) and Phi-4 are not here: their image processing has no form but torchvision's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import llava, qwen, tiled, unlisted
from .layouts import old_layout
from .processors import load_processor

__all__ = ["FAMILIES", "Family", "build", "load_processor", "old_layout"]


@dataclass(frozen=True)
class Family:
    """A family of checkpoints and how to write a small one into an empty folder."""

    name: str
    build: Callable[[Path], None]


def _table(*families: Family) -> dict[str, Family]:
    return {family.name: family for family in families}


FAMILIES = _table(
    Family("llava_next_llama3", llava.llava_next_llama3),
    Family("llava_next_mistral", llava.llava_next_mistral),
    Family("llava_15", llava.llava_15),
    Family("qwen2_vl", qwen.qwen2_vl),
    Family("qwen2_5_vl", qwen.qwen2_5_vl),
    Family("qwen2_5_omni", qwen.qwen2_5_omni),
    Family("qwen3_vl", qwen.qwen3_vl),
    Family("smolvlm", tiled.smolvlm),
    Family("idefics3", tiled.idefics3),
    Family("gemma3", tiled.gemma3),
    Family("internvl", tiled.internvl),
    Family("llava_onevision", unlisted.llava_onevision),
    Family("aya_vision", unlisted.aya_vision),
)
OTHERS = _table(
    Family("text_only", unlisted.text_only),
    Family("no_template", unlisted.no_template),
)


def build(name: str, folder: Path) -> Path:
    """Write the checkpoint called `name` into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (FAMILIES | OTHERS)[name].build(folder)
    return folder
