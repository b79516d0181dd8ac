"""The shapes of the models that are measured, as records."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """The shape of a LLaVA-NeXT: Llama text, CLIP vision; `tile` and `patch` in pixels."""

    layers: int
    width: int
    mlp: int
    heads: int
    kv_heads: int
    vocabulary: int
    vision_layers: int
    vision_width: int
    vision_heads: int
    tile: int = 336
    patch: int = 14
    tied: bool = False  # the head is the embedding

    @property
    def vision_mlp(self) -> int:
        """Inner width of the vision tower's MLP: four times its width, as in every CLIP."""
        return 4 * self.vision_width

    @property
    def head_width(self) -> int:
        """Width of one attention head of the language model."""
        return self.width // self.heads

    @property
    def patches(self) -> int:
        """Image tokens of one tile."""
        return (self.tile // self.patch) ** 2


SIZES = {
    "llava-next-8b": Sizes(  # llama3-llava-next-8b: Llama-3-8B and CLIP ViT-L/14-336
        layers=32,
        width=4096,
        mlp=14_336,
        heads=32,
        kv_heads=8,
        vocabulary=128_320,
        vision_layers=24,
        vision_width=1024,
        vision_heads=16,
    ),
    "small": Sizes(  # the text half has the shape of SmolLM-135M
        layers=30,
        width=576,
        mlp=1536,
        heads=9,
        kv_heads=3,
        vocabulary=49_152,
        vision_layers=12,
        vision_width=384,
        vision_heads=6,
        tied=True,
    ),
    "1b": Sizes(  # the text half has the shape of Llama-3.2-1B, with fewer words
        layers=16,
        width=2048,
        mlp=8192,
        heads=32,
        kv_heads=8,
        vocabulary=49_152,
        vision_layers=12,
        vision_width=384,
        vision_heads=6,
        tied=True,
    ),
    "500m": Sizes(  # the text half has the shape of Qwen2.5-0.5B
        layers=24,
        width=896,
        mlp=4864,
        heads=14,
        kv_heads=2,
        vocabulary=151_936,
        vision_layers=12,
        vision_width=768,
        vision_heads=12,
        tied=True,
    ),
    "2b": Sizes(  # the text half has the shape of Qwen3-1.7B, the vision half that of CLIP ViT-L
        layers=28,
        width=2048,
        mlp=6144,
        heads=16,
        kv_heads=8,
        vocabulary=151_936,
        vision_layers=24,
        vision_width=1024,
        vision_heads=16,
        tied=True,
    ),
    "tiny": Sizes(  # for the tests
        layers=2,
        width=64,
        mlp=128,
        heads=4,
        kv_heads=2,
        vocabulary=1024,
        vision_layers=3,
        vision_width=32,
        vision_heads=4,
        tile=28,
        patch=7,
    ),
}
