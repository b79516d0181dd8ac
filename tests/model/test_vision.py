"""The vision tower: how many images one call sees, and that their tokens do not depend on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from e5v import E5V
from e5v.model import vision
from e5v.model.vision import image_tokens

MANY = 9


@pytest.mark.parametrize("most", [1, 3])
def test_a_call_sees_a_bounded_number_of_images(
    most: int,
    checkpoints: Callable[[str], Path],
    photos: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Activations of fifty photos at once, which do not fit into a CPU's cache."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    prompted = model.prepare(photos[0]).prompted
    size = max(array.numel() for array in prompted.images[0].arrays.values())
    real = vision.FEATURES[model.loaded.backbone.features]
    calls: list[int] = []

    def record(model: Any, arrays: dict[str, Any], counts: list[int]) -> Any:
        calls.append(len(counts))
        return real(model, arrays, counts)

    monkeypatch.setitem(vision.CHUNK_VALUES, "cpu", most * size)
    monkeypatch.setitem(vision.FEATURES, "recorded", record)
    with torch.no_grad():
        alone = image_tokens(model.loaded.model, prompted.images, "recorded", prompted.counts)
        calls.clear()
        images, counts = list(prompted.images) * MANY, list(prompted.counts) * MANY
        together = image_tokens(model.loaded.model, images, "recorded", counts)
    assert calls == [most] * (MANY // most)
    for one in together:
        torch.testing.assert_close(one.tokens, alone[0].tokens)
