"""Runs that keep image tokens: the gradient, the runs of the tower, and resumed runs."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from e5v.model.loading import load
from e5v.training import trainer as trainer_module
from e5v.training.adapter import WEIGHTS
from e5v.training.image_cache import GIB, ImageCache
from e5v.training.recipe import Adapter, Recipe
from e5v.training.run import Run, Step
from e5v.training.sampler import Batch
from e5v.training.trainer import fit
from e5v.training.triplets import Triplet
from tests.training.pictures import make_picture, write_lines
from tests.training.stepping import open_trainer, take_gradient

Checkpoints = Callable[[str], Path]


def _read_weights(run: Run) -> dict[str, Tensor]:
    return load_file(run.out / "adapter" / WEIGHTS)


@pytest.mark.parametrize("family", ["llava_next_llama3", "qwen3_vl"])
def test_kept_tokens_have_the_same_gradient(
    family: str, checkpoints: Checkpoints, short: Recipe, seen: list[int], tmp_path: Path
) -> None:
    """Tokens of another image, of another place in the batch, or without their deep layers."""
    (tmp_path / "a.png").write_bytes(_as_png(0))
    rows = (
        Triplet({"image": tmp_path / "a.png", "text": "b"}, _as_png(1), (_as_png(2),)),
        Triplet(_as_png(1), "a text"),
    )
    caches = [None, ImageCache(GIB), ImageCache(0, GIB, tmp_path), ImageCache(0)]
    gradients, towers = [], []
    for cache in caches:
        trainer = open_trainer(
            load(checkpoints(family), dtype="float32", device="cpu"), short, cache
        )
        for _ in range(2):  # the second step finds what the first has kept
            prompts = [one.prompted for one in trainer.prompts.prepare(Batch(rows, ()).items)]
            seen.clear()
            trainer.accumulate(prompts, Batch(rows, ()))
            gradients.append(take_gradient(trainer))
            towers.append(sum(seen))
    assert towers == [3, 3, 3, 0, 3, 0, 3, 3]
    expected = gradients[0]
    for one in gradients[1:]:
        assert float((one - expected).abs().max()) < 1e-5 * float(expected.abs().max())
    assert all(torch.equal(gradients[2], one) for one in gradients[3:])


def _as_png(number: int) -> bytes:
    content = io.BytesIO()
    make_picture(number).save(content, "PNG")
    return content.getvalue()


def test_a_run_with_images_is_resumed_bit_for_bit(
    checkpoints: Checkpoints, folder: Path, short: Recipe, tmp_path: Path
) -> None:
    """Tokens that depend on which images were known before, and with them the weights."""
    model = str(checkpoints("llava_next_llama3"))
    data = (folder / "captions.jsonl",)
    recipe = replace(short, batch=3, adapter=Adapter(rank=4, alpha=8, dropout=0.2))
    whole = Run(model, data, tmp_path / "whole", recipe, every=2, device="cpu")
    broken = replace(whole, out=tmp_path / "broken", image_disk=1, image_memory=0)
    list(fit(whole))
    events = fit(broken)
    for event in events:
        if isinstance(event, Step) and event.step == 3:  # the checkpoint is that of step 2
            break
    events.close()
    list(fit(replace(broken, resume=True)))
    for name, weight in _read_weights(whole).items():
        assert torch.equal(weight, _read_weights(broken)[name])


class _OpenedError(Exception):
    """Raised in place of opening a model."""


@pytest.mark.parametrize(("positive", "part"), [("b", "language"), ({"image": "0.png"}, "whole")])
def test_the_tower_is_opened_for_images_only(
    positive: Any, part: str, folder: Path, short: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tower of a gigabyte in memory for texts, or none where one row of many has an image."""
    rows = [{"anchor": f"a{n}", "positive": "b"} for n in range(7)]
    data = write_lines(folder / "a.jsonl", [*rows, {"anchor": "a", "positive": positive}])

    def refuse(*_: Any, **options: Any) -> None:
        raise _OpenedError(options["part"])

    monkeypatch.setattr(trainer_module, "load", refuse)
    with pytest.raises(_OpenedError, match=part):
        list(fit(Run("nano-base", (data,), folder / "run", short, device="cpu")))
