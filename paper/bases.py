"""The models that the paper starts from, one record each.

BASES: hub id, shape, how it becomes a checkpoint of transformers, or why that cannot be
"""

from dataclasses import dataclass, replace

from benchmarks.sizes import SIZES, Sizes
from e5v.model.backbones import Tiling

LLAVA = SIZES["llava-next-8b"]
BYTES = 2  # of a weight, as the bases are published


@dataclass(frozen=True)
class Base:
    """One model before training.

    `source` is a hub id or a folder. An original of LMMS is `converted` first. `sizes` is the
    shape that its cost is counted from. `missing` says why it cannot be run, if it cannot.
    """

    name: str
    title: str
    source: str
    sizes: Sizes
    converted: bool = False
    missing: str = ""
    tilings: tuple[Tiling, ...] = ("correct", "transformers-4.41")

    @property
    def weights(self) -> int:
        """How many numbers its language model, vision tower and projector have."""
        own = self.sizes
        attention = 2 * own.width * own.head_width * (own.heads + own.kv_heads)
        layers = own.layers * (attention + 3 * own.width * own.mlp)
        words = own.vocabulary * own.width * (1 if own.tied else 2)
        inside = 4 * own.vision_width**2 + 2 * own.vision_width * own.vision_mlp
        return layers + words + own.vision_layers * inside + own.width * own.vision_width

    @property
    def size(self) -> int:
        """What a checkpoint of it takes, in bytes."""
        return BYTES * self.weights


BASES = {
    one.name: one
    for one in (
        Base(
            "llama3", "LLaVA-NeXT LLaMA-3", "lmms-lab/llama3-llava-next-8b", LLAVA, converted=True
        ),
        Base(
            "mistral",
            "LLaVA-1.6 Mistral",
            "llava-hf/llava-v1.6-mistral-7b-hf",
            replace(LLAVA, vocabulary=32_064),
        ),
        Base(
            "phi3",
            "Phi-3-vision",
            "microsoft/Phi-3.5-vision-instruct",
            replace(LLAVA, width=3072, mlp=8192, heads=32, kv_heads=32, vocabulary=32_064),
            missing="transformers has no class for Phi-3-vision or Phi-3.5-vision (model type "
            "phi3_v): their code comes with the checkpoint, and was written for transformers 4",
        ),
    )
}
