"""The shapes of published models, by their checkpoints' configs, and how they cut an image.

layers, widths, vocabulary -> Shape; patches, tiles, limits of pixels -> Rule
"""

from dataclasses import replace

from e5v.model.photo_tokens import Grid, Tiles
from e5v.model.shapes import FixedTower, Language, Shape, Tower


def _clip(width: int) -> Tower:
    """Return CLIP's ViT-L/14 at 336 pixels, read at the last layer but one."""
    projector = ((1024, width), (width, width))
    return Tower(24, 1024, 4096, 3 * 14**2, projector, unread=1, places=577)


def _qwen2_tower(width: int) -> Tower:
    return Tower(32, 1280, 5120, 3 * 2 * 14**2, ((5120, 5120), (5120, width)), merged=4)


def _qwen3_tower(layers: int, inner: int, mlp: int, width: int) -> Tower:
    """Return Qwen3-VL's tower; three of its layers have a projector of their own."""
    projector = ((4 * inner, 4 * inner), (4 * inner, width)) * 4
    return Tower(layers, inner, mlp, 3 * 2 * 16**2, projector, merged=4, places=2304)


def _whisper_tower(width: int) -> int:
    """Count Qwen2.5-Omni's audio tower: 32 layers, two convolutions and an output."""
    return 32 * (4 * 1280**2 + 2 * 1280 * 5120) + 3 * (128 + 1280) * 1280 + (1280 + 2) * width


LLAMA_8B = Shape(Language(32, 4096, 14_336, 32, 8, 128_320), _clip(4096))
MISTRAL_7B = Shape(Language(32, 4096, 14_336, 32, 8, 32_064), _clip(4096))
QWEN2_2B = Shape(Language(28, 1536, 8960, 12, 2, 151_936, tied=True), _qwen2_tower(1536))
QWEN2_7B = Shape(Language(28, 3584, 18_944, 28, 4, 152_064), _qwen2_tower(3584))
QWEN25_3B = Shape(
    Language(36, 2048, 11_008, 16, 2, 151_936, tied=True),
    replace(_qwen2_tower(2048), mlp=3420, gated=True, window=64, full=4),
)
QWEN25_7B = Shape(
    QWEN2_7B.language, replace(_qwen2_tower(3584), mlp=3420, gated=True, window=64, full=4)
)
# The language model has a head of its own; the audio tower is loaded, too.
OMNI_3B = Shape(
    replace(QWEN25_3B.language, tied=False), QWEN25_3B.vision, idle=_whisper_tower(2048)
)
OMNI_7B = Shape(QWEN25_7B.language, QWEN25_7B.vision, idle=_whisper_tower(3584))
QWEN3_2B = Shape(
    Language(28, 2048, 6144, 16, 8, 151_936, tied=True, head_width=128),
    _qwen3_tower(24, 1024, 4096, 2048),
)
QWEN3_8B = Shape(  # published without a head
    Language(36, 4096, 12_288, 32, 8, 151_936, tied=True, head_width=128),
    _qwen3_tower(27, 1152, 4304, 4096),
)
SMOL_135M = Language(30, 576, 1536, 9, 3, 49_152, tied=True)
# EfficientNet-Lite0, and a stage after it; convolutions are as slow as narrow matrices
EFFICIENTNET = FixedTower(7_400_000, each=870_000_000, width=288)

ANYRES = Tiles(336, 14, ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)))
QWEN2_GRID = Grid(14, 56**2, 28**2 * 16_384)
QWEN3_GRID = Grid(16, 256**2, 4096**2)
