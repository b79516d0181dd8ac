"""The table of models: every recipe has its models in it, and no figure is without a source."""

from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from e5v.model.bundled import ASSETS, NANO, PHOTOS
from e5v.model.catalogue import MODELS, RANKED, CatalogueModel, find_model
from e5v.model.recipes import RECIPES


def _known(name: str) -> CatalogueModel:
    found = find_model(name)
    assert found is not None
    return found


def test_every_recipe_has_its_models() -> None:
    """Catches a published embedder that can be opened, and has no price."""
    listed = {one.id for one in MODELS}
    published = {id for recipe in RECIPES for id in recipe.ids if not id.endswith("-base")}
    assert listed == published
    assert len(listed) == len(MODELS)
    for one in MODELS:
        assert one.id in one.recipe.ids
        assert one.licence


def test_every_figure_has_a_source() -> None:
    """Catches a score from nowhere, or one that is no percentage."""
    for score in (score for one in MODELS for score in one.scores):
        assert score.source
        assert 0 < score.value < 100
    ranked = {one.id: one.score for one in MODELS if one.score is not None}
    assert max(ranked, key=lambda id: ranked[id] or 0.0) == "Qwen/Qwen3-VL-Embedding-8B"
    assert _known("royokong/e5-v").score is None, f"it has no {RANKED} score"


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("Alibaba-NLP/gme-Qwen2-VL-2B-Instruct", 2.21),  # model cards
        ("Alibaba-NLP/gme-Qwen2-VL-7B-Instruct", 8.29),
        ("code-kunkun/LamRA-Ret", 8.29),
        ("LCO-Embedding/LCO-Embedding-Omni-3B", 4.703),
        ("LCO-Embedding/LCO-Embedding-Omni-7B", 8.932),
        ("royokong/e5-v", 8.36),
        (PHOTOS, 0.142),
        (NANO, 0.0107),
    ],
)
def test_published_sizes(name: str, billions: float) -> None:
    """Catches a shape of another model; norms and biases are less than a thousandth."""
    assert _known(name).shape.parameters / 1e9 == pytest.approx(billions, rel=0.005)


def test_the_bundled_model_is_read_from_its_files() -> None:
    """Catches a shape that is not that of the weights in the package."""
    counted = {"language": 0, "vision": 0}
    for file in Path(ASSETS / NANO / "base").glob("*.safetensors"):
        opened: Any = safe_open(file, "pt")
        with opened as weights:
            for name in weights.keys():  # noqa: SIM118  it is no mapping
                shape = weights.get_slice(name).get_shape()
                part = "language" if "language_model" in name else "vision"
                size = 1
                for side in shape:
                    size *= side
                counted[part] += size if len(shape) > 1 else 0
    shape = _known(NANO).shape
    assert (shape.language_parameters, shape.vision_parameters) == tuple(counted.values())


def test_downloads() -> None:
    """Catches a bundled model that is said to be downloaded, and a known size passed over."""
    assert _known(NANO).download_size == 0
    assert _known("Alibaba-NLP/gme-Qwen2-VL-2B-Instruct").download_size == 8_850_000_000
    two = _known("Qwen/Qwen3-VL-Embedding-2B")
    assert two.download_size == 2 * two.shape.parameters
    assert find_model("nobody/nothing") is None
