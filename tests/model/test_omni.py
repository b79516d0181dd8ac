"""Qwen2.5-Omni's thinker: the places of its tokens, its processor, and what is not its thinker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image
from torch import Tensor

from e5v import E5V, ModelError
from tests.families import load_processor
from tests.plain import chat_string

Checkpoints = Callable[[str], Path]
SEEN = "\nSummarize the above image in one word:"
FUSED = "\nSummarize the above in one word:"


@pytest.fixture(scope="module")
def model(checkpoints: Checkpoints) -> E5V:
    """Open a small thinker as the published embedder made of one."""
    return E5V(checkpoints("qwen2_5_omni"), dtype="float32", recipe="lco-embedding-omni")


def _positions(language_model: Any, run: Callable[[], object]) -> Tensor:
    """Return the positions (3, 1, T) that a language model is given while something runs."""
    seen: list[Tensor] = []
    hook = language_model.register_forward_pre_hook(
        lambda _module, _args, kwargs: seen.append(kwargs["position_ids"]), with_kwargs=True
    )
    try:
        run()
    finally:
        hook.remove()
    [positions] = seen
    return positions


def test_positions_are_the_stock_models(
    model: E5V, checkpoints: Checkpoints, photos: list[Image.Image]
) -> None:
    """Catches images counted as in a text, or from the place of another image."""
    folder = checkpoints("qwen2_5_omni")
    processor, auto = load_processor(folder), transformers.AutoModelForImageTextToText
    plain: Any = auto.from_pretrained(folder, dtype="float32")
    first, wide = (photo.resize((84, 56)) for photo in (photos[0], photos[3]))
    tall = first.resize((56, 140))
    cases: tuple[tuple[Any, tuple[str | Image.Image, ...]], ...] = (
        (first, (first, SEEN)),
        ([tall, first], (tall, first, SEEN)),
        ({"image": wide, "text": "A red ball."}, ("A red ball.", wide, FUSED)),
    )
    for item, parts in cases:
        images = [part for part in parts if isinstance(part, Image.Image)]
        string = chat_string(processor, *parts)
        inputs = processor(text=[string], images=images, return_tensors="pt")
        with torch.no_grad():
            theirs = _positions(plain.get_decoder(), lambda: plain(**inputs))  # noqa: B023
        ours = _positions(model.loaded.language_model, lambda: model.encode([item]))  # noqa: B023
        assert torch.equal(ours.long(), theirs.long())
        assert not torch.equal(ours[0], ours[1]), "the image is counted as in a text"


def test_the_processor_has_all_but_videos(model: E5V) -> None:
    """Catches a tokenizer in the place of the video processor, which is the second of its parts."""
    processor = model.loaded.processor
    parts = (processor.image_processor, processor.tokenizer, processor.feature_extractor)
    names = [type(part).__name__ for part in parts]
    assert names == ["Qwen2VLImageProcessorPil", "Qwen2Tokenizer", "WhisperFeatureExtractor"]
    assert processor.image_token == "<|IMAGE|>"


def test_the_authors_limit_of_pixels(model: E5V) -> None:
    """Catches the checkpoint's own limit, which on the hub is ten times as many."""
    size = dict(model.loaded.processor.image_processor.size)
    assert (size["shortest_edge"], size["longest_edge"]) == (4 * 784, 1_280 * 784)


def test_a_whole_omni_model_is_refused(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Catches a model that speaks said to take no images, or opened without its weights."""
    config = json.loads((checkpoints("qwen2_5_omni") / "config.json").read_text())
    whole = {"model_type": "qwen2_5_omni", "thinker_config": config}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    expected = r"a whole qwen2_5_omni model; expected its thinker alone: .*ThinkerForConditional"
    with pytest.raises(ModelError, match=expected) as told:
        E5V(tmp_path, recipe="e5-v")
    assert "\n" not in str(told.value)
