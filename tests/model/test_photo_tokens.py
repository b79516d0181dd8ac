"""How many tokens a photo takes: the rules, beside the processors themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from e5v import E5V
from e5v.model.catalogue_shapes import ANYRES
from e5v.model.photo_tokens import Grid, Rule, Seen, Tiles, Whole, see
from e5v.model.resizing import Fixed
from tests.families import llava, qwen

SIZES = ((64, 48), (40, 90), (30, 30), (200, 50), (51, 167), (640, 480))  # width and height
PINPOINTS = tuple((high, wide) for high, wide in llava.PINPOINTS)
RULES: dict[str, Rule] = {
    "llava_next_llama3": Tiles(llava.TILE, llava.PATCH, PINPOINTS),
    "qwen2_vl": Grid(qwen.PATCH, qwen.LEAST, qwen.MOST),
    "qwen3_vl": Grid(qwen.PATCH, qwen.LEAST, qwen.MOST),
}


@pytest.mark.parametrize("family", RULES)
def test_a_rule_counts_what_the_processor_makes(
    family: str, checkpoints: Callable[[str], Path]
) -> None:
    """Catches a tile, a row's end or a rounding that the model's own processor does not make."""
    model = E5V(checkpoints(family), dtype="float32", recipe="e5-v")
    for size in SIZES:
        noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
        prompted = model.prepare(Image.fromarray(noise)).prompted
        assert see(RULES[family], (), None, size).tokens == sum(prompted.counts), size


def test_patches_are_those_of_the_tiles(checkpoints: Callable[[str], Path]) -> None:
    """Catches a tile too many or too few, which the vision tower would be priced for."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    for size in SIZES:
        [image] = model.prepare(Image.new("RGB", size, "red")).prompted.images
        sequences = RULES["llava_next_llama3"].see(size).sequences
        assert len(sequences) == image.arrays["pixel_values"].shape[1]
        assert set(sequences) == {(llava.TILE // llava.PATCH) ** 2 + 1}


@pytest.mark.parametrize("patch", [14, 16])
def test_a_grid_at_full_size(patch: int) -> None:
    """Catches limits in pixels, or a factor, that the real processor takes otherwise."""
    least, most = 256 * 28**2, 1_280 * 28**2
    processor: Any = Qwen2VLImageProcessorPil(
        patch_size=patch, merge_size=2, size={"shortest_edge": least, "longest_edge": most}
    )
    for width, height in ((640, 480), (200, 150), (4_000, 3_000), (1_344, 1_344)):
        patches = processor.get_number_of_image_patches(height, width)
        seen = Grid(patch, least, most).see((width, height))
        assert seen == Seen(patches // 4, (patches,))


def test_known_figures() -> None:
    """Catches a recipe's resizing or pixel limits left out; figures worked out by hand."""
    photo = (640, 480)
    assert ANYRES.see(photo) == Seen(2_340, (577,) * 5)  # the paper's model
    assert see(ANYRES, [Fixed(512, 512)], None, photo).tokens == 24**2 + 48 * 48 + 48
    grid = Grid(14, 56**2, 28**2 * 16_384)
    assert see(grid, (), None, photo).tokens == 23 * 17
    limits = (256 * 28**2, 1_280 * 28**2)
    assert see(grid, [Fixed(1_344, 1_344)], limits, photo).tokens == 35 * 35
    assert see(Whole(9), (), limits, photo) == Seen(9, (9,))
