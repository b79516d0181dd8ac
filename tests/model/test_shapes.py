"""The shape of a model: its parameters beside real classes, its work and its memory by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

from benchmarks.flops import own_flops, vision_flops
from benchmarks.sizes import SIZES
from e5v.model.shapes import FixedTower, Language, Shape, Tower, Work
from tests.families import load_processor

Checkpoints = Callable[[str], Path]


def _open(folder: Path) -> Any:
    auto: Any = transformers.AutoModelForImageTextToText
    return auto.from_pretrained(folder, dtype="float32")


def _language(config: Any, *, tied: bool) -> Language:
    text = config.get_text_config()
    return Language(
        text.num_hidden_layers,
        text.hidden_size,
        text.intermediate_size,
        text.num_attention_heads,
        text.num_key_value_heads,
        text.vocab_size,
        tied=tied,
        head_width=getattr(text, "head_dim", None) or 0,
    )


def _clip(config: Any) -> Tower:
    seen, width = config.vision_config, config.get_text_config().hidden_size
    projector = ((seen.hidden_size, width), (width, width))
    places = (seen.image_size // seen.patch_size) ** 2 + 1
    return Tower(
        seen.num_hidden_layers,
        seen.hidden_size,
        seen.intermediate_size,
        3 * seen.patch_size**2,
        projector,
        places=places,
    )


def _qwen(config: Any) -> Tower:
    seen, width = config.vision_config, config.get_text_config().hidden_size
    inner = getattr(seen, "embed_dim", None) or seen.hidden_size
    mlp = getattr(seen, "intermediate_size", None) or int(inner * seen.mlp_ratio)
    stacked = len(getattr(seen, "deepstack_visual_indexes", ()))
    return Tower(
        seen.depth,
        inner,
        mlp,
        3 * 2 * seen.patch_size**2,
        ((4 * inner, 4 * inner), (4 * inner, width)) * (1 + stacked),
        merged=4,
        gated=hasattr(seen, "fullatt_block_indexes"),
        places=getattr(seen, "num_position_embeddings", 0),
    )


@pytest.mark.parametrize(
    ("family", "tower"),
    [
        ("llava_next_llama3", _clip),
        ("qwen2_vl", _qwen),
        ("qwen2_5_vl", _qwen),
        ("qwen3_vl", _qwen),
    ],
)
def test_parameters_are_those_of_the_class(
    family: str, tower: Callable[[Any], Tower], checkpoints: Checkpoints
) -> None:
    """Catches a matrix forgotten or counted twice: download, memory and work would all be wrong."""
    folder = checkpoints(family)
    load_processor(folder)
    model = _open(folder)
    shape = Shape(
        _language(model.config, tied=bool(model.config.tie_word_embeddings)), tower(model.config)
    )
    counted = sum(one.numel() for one in model.parameters() if one.ndim > 1)
    assert shape.parameters == counted


@pytest.mark.parametrize("size", ["small", "llava-next-8b"])
def test_work_is_that_of_the_benchmarks(size: str) -> None:
    """Catches a formula that differs from the one that speeds are reported by."""
    sizes = SIZES[size]
    language = Language(
        sizes.layers, sizes.width, sizes.mlp, sizes.heads, sizes.kv_heads, sizes.vocabulary
    )
    for tokens in (1, 32, 2_360):
        assert language.work(tokens).operations == own_flops(sizes, tokens)
    width = sizes.vision_width
    tower = Tower(
        sizes.vision_layers,
        width,
        sizes.vision_mlp,
        3 * sizes.patch**2,
        ((width, sizes.width), (sizes.width, sizes.width)),
        unread=1,
    )
    counted = tower.work([sizes.patches + 1] * 5).operations  # a class token goes through all
    assert counted == pytest.approx(vision_flops(sizes, 5), rel=0.005)


def test_windows_save_work() -> None:
    """Catches attention of all patches to all where a family has windows."""
    whole = Tower(4, 8, 16, 12, ((8, 8),))
    windows = Tower(4, 8, 16, 12, ((8, 8),), window=4, full=1)
    saved = 3 * (100**2 - 100 * 4)  # pairs, in the three layers that have windows
    assert whole.work([100]).attention - windows.work([100]).attention == 4 * 8 * saved
    assert whole.work([100]).products == windows.work([100]).products
    assert FixedTower(5, each=7, width=8).work([9, 9]) == Work(products=14)


def test_memory_of_each_kind_of_weights() -> None:
    """Catches embeddings counted as if they were quantised, and scales left out."""
    shape = Shape(Language(1, 64, 64, 1, 1, 1_000, tied=True), FixedTower(0, each=0, width=8))
    matrices, table = 4 * 64**2 + 3 * 64 * 64, 1_000 * 64
    assert shape.parameters == matrices + table
    assert shape.memory("float32") == 4 * (matrices + table)
    assert shape.memory("bfloat16") == shape.memory("float16") == 2 * (matrices + table)
    assert shape.memory("8bit") == matrices * 8.5 / 8 + 2 * table
    assert shape.memory("4bit") == matrices * 4.5 / 8 + 2 * table
