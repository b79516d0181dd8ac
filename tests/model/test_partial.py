"""Parts of a model: what is read of the files, and that it is the same model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from transformers import modeling_utils

from e5v import E5V, ModelError
from e5v.model.loading import load
from e5v.model.partial import language_path
from e5v.model.vision import image_tokens
from tests.families import FAMILIES, old_layout

Checkpoints = Callable[[str], Path]
VISION = ("vision", "visual", "projector", "connector", "newline")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the names of the tensors that are read from the files of a checkpoint."""
    names: list[str] = []
    real: Any = vars(modeling_utils)["safe_open"]

    class Slice:
        def __init__(self, name: str, inner: Any) -> None:
            self.name, self.inner = name, inner

        def __getitem__(self, index: object) -> Any:
            names.append(self.name)
            return self.inner[index]

        def __getattr__(self, attribute: str) -> Any:
            return getattr(self.inner, attribute)

    class File:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.inner: Any = real(*args, **kwargs)

        def __enter__(self) -> "File":
            self.inner.__enter__()
            return self

        def __exit__(self, *error: object) -> None:
            self.inner.__exit__(*error)

        def get_slice(self, name: str) -> Slice:
            return Slice(name, self.inner.get_slice(name))

        def get_tensor(self, name: str) -> Any:
            names.append(name)
            return self.inner.get_tensor(name)

        def __getattr__(self, attribute: str) -> Any:
            return getattr(self.inner, attribute)

    monkeypatch.setattr(modeling_utils, "safe_open", File)
    return names


@pytest.mark.parametrize("version", ["4.41", "4.52", "5"])
def test_language_part_reads_no_tensor_of_the_vision_part(
    version: Literal["4.41", "4.52", "5"],
    checkpoints: Checkpoints,
    tmp_path: Path,
    reads: list[str],
) -> None:
    """Text-only training that loads the whole model all the same."""
    folder = old_layout(checkpoints("llava_next_llama3"), tmp_path / "old", version)
    loaded = load(folder, dtype="float32", part="language")
    assert reads
    assert not [name for name in reads if any(word in name for word in VISION)]
    assert any("lm_head" in name or "embed_tokens" in name for name in reads)
    assert loaded.model.get_output_embeddings() is not None
    reads.clear()
    load(folder, dtype="float32")
    assert [name for name in reads if any(word in name for word in VISION)]  # the spy sees them


@pytest.mark.parametrize("name", FAMILIES)
def test_language_part_gives_the_same_vectors(name: str, checkpoints: Checkpoints) -> None:
    """A model that is not the one it is a part of: weights left random, or another prompt."""
    texts = ["A dog runs.", "Two men in hats are playing chess in the park."]
    part = E5V(load(checkpoints(name), dtype="float32", part="language"))
    whole = E5V(checkpoints(name), dtype="float32")
    assert np.array_equal(part.encode(texts), whole.encode(texts))
    assert part.words(texts[0]) == whole.words(texts[0])
    path = language_path(part.loaded.model)
    inside = [key for key, _ in part.loaded.model.named_parameters() if not key.startswith(path)]
    assert [key for key in inside if "lm_head" not in key and "embed" not in key] == []


@pytest.mark.parametrize("name", FAMILIES)
def test_vision_part_gives_the_same_image_tokens(
    name: str, checkpoints: Checkpoints, photos: list[Any]
) -> None:
    """Held-out images that are measured with another vision tower."""
    whole = E5V(checkpoints(name), dtype="float32")
    if whole.loaded.backbone.layout == "whole":
        pytest.skip("its images are not embedded in two parts")
    vision = load(checkpoints(name), dtype="float32", part="vision")
    prompted = whole.prepare(photos[0]).prompted
    way = vision.backbone.features
    with torch.no_grad():
        got, want = (
            image_tokens(one.model, prompted.images, way, prompted.counts)[0].tokens
            for one in (vision, whole.loaded)
        )
    assert torch.equal(got, want)
    language = sum(weight.numel() for weight in whole.loaded.language_model.parameters())
    seen = sum(weight.numel() for weight in vision.model.parameters())
    every = sum(weight.numel() for weight in whole.loaded.model.parameters())
    assert seen <= every - language


def test_language_part_refuses_images(checkpoints: Checkpoints, photos: list[Any]) -> None:
    """A traceback from the middle of transformers."""
    part = E5V(load(checkpoints("llava_next_llama3"), part="language"))
    with pytest.raises(ModelError, match="without its vision tower; expected texts only"):
        part.encode([photos[0]])
