"""Training the projector, too: its gradient, its tokens, its files, and what is refused."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForImageTextToText

from e5v import E5V, ModelError
from e5v.checkpoints.merge import merge
from e5v.checkpoints.merge_checks import prove
from e5v.errors import DataError, UsageError
from e5v.model.encoder import Encoder
from e5v.model.loading import load
from e5v.model.merging import merge_into_model
from e5v.training.adapter import WEIGHTS, trained_projector
from e5v.training.checks import check_model
from e5v.training.chunks import PackedPass
from e5v.training.image_cache import GIB, ImageCache
from e5v.training.loss import batch_loss
from e5v.training.recipe import Adapter, Recipe
from e5v.training.run import Measured, Run, Step
from e5v.training.sampler import Batch
from e5v.training.trainer import Trainer, fit
from e5v.training.triplets import Triplet
from tests.adapters import edit_config, edit_weights
from tests.training.pictures import make_picture
from tests.training.stepping import open_trainer, take_gradient
from tests.training.test_image_training import run_alone

Checkpoints = Callable[[str], Path]
LLAVA = "llava_next_llama3"
ROWS = (
    Triplet(make_picture(0), "a dog runs", ("a dog sleeps",)),
    Triplet("two cats", make_picture(1)),
    Triplet({"image": make_picture(2), "text": "at night"}, make_picture(3), (make_picture(4),)),
    Triplet("an old man", "a man", ("a girl", "snow")),
)
TEXTS = Batch((Triplet("a", "b"), Triplet("c", "d", ("e",))), ())


@pytest.fixture
def recipe(short: Recipe) -> Recipe:
    """Give a short recipe that trains the projector."""
    return replace(short, batch=4, steps=2, train="projector")


@pytest.fixture
def run(checkpoints: Checkpoints, recipe: Recipe, tmp_path: Path) -> Run:
    """Give a run of two steps."""
    model = str(checkpoints(LLAVA))
    return Run(model, ROWS, tmp_path / "run", recipe, device="cpu", dtype="float32")


def _open(folder: Path, recipe: Recipe, images: ImageCache | None = None) -> Trainer:
    return open_trainer(load(folder, dtype="float32", device="cpu"), recipe, images)


def _projector(trainer: Trainer) -> dict[str, Tensor]:
    named = trained_projector(trainer.loaded)
    return {name: weight.detach().clone() for name, weight in named.items()}


@pytest.mark.parametrize("family", [LLAVA, "qwen2_5_vl", "qwen3_vl", "gemma3", "aya_vision"])
def test_chunks_have_the_gradient_of_the_whole(
    family: str, checkpoints: Checkpoints, recipe: Recipe
) -> None:
    """A projector that half of the passes leave out, or that has no gradient at all."""
    trainer, batch = _open(checkpoints(family), recipe), Batch(ROWS, ())
    prompts = [one.prompted for one in trainer.prompts.prepare(batch.items)]
    plain = batch_loss(torch.stack([run_alone(trainer, one) for one in prompts]), batch, recipe)
    plain.value.backward()  # type: ignore[no-untyped-call]
    for weight in trained_projector(trainer.loaded).values():
        assert weight.grad is not None
        assert weight.grad.any()
    expected = take_gradient(trainer)
    for budget in (64, 100_000):
        forward = PackedPass(Encoder(trainer.loaded), budget, frozen=False)
        trainer.gradients = replace(trainer.gradients, forward=forward)
        loss = trainer.accumulate(prompts, batch)
        assert abs(float(loss.value) - plain.value.item()) < 1e-5
        got = take_gradient(trainer)
        assert float((got - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def test_tokens_of_an_earlier_projector_are_not_used(
    checkpoints: Checkpoints, recipe: Recipe
) -> None:
    """A cache that keeps image tokens while what makes them changes."""
    losses = []
    for cache in (None, ImageCache(GIB)):
        trainer = _open(checkpoints(LLAVA), recipe, cache)
        losses.append([trainer.step(step, Batch(ROWS, ())).loss for step in range(3)])
    assert losses[0] == losses[1]


def test_the_tower_stays_and_the_projector_has_its_own_rate(
    checkpoints: Checkpoints, recipe: Recipe
) -> None:
    """A tower that is trained along, or a projector that is torn apart by the LoRA's rate."""
    trainer = _open(checkpoints(LLAVA), replace(recipe, projector_lr=1e-3, lr=2e-2, warmup=0))
    before = {k: v.clone() for k, v in trainer.loaded.model.state_dict().items()}
    trainer.step(0, Batch(ROWS, ()))
    after = trainer.loaded.model.state_dict()
    moved = {k: float((after[k] - v).abs().max()) for k, v in before.items()}
    names = trained_projector(trainer.loaded).keys()
    assert len(names) == 4
    for name, distance in moved.items():
        rate = 1e-3 if name in names else 2e-2 if "lora_" in name else 0
        assert distance == pytest.approx(rate, rel=1e-3), name  # Adam's first step


def test_a_batch_of_texts_is_a_step_for_the_projector_too(
    checkpoints: Checkpoints, recipe: Recipe
) -> None:
    """Ranks that disagree: with several, a gradient that is not there is 0; so it is with one."""
    trainer = _open(checkpoints(LLAVA), recipe)
    trainer.step(0, Batch(ROWS, ()))
    before = _projector(trainer)
    trainer.step(1, TEXTS)
    after = _projector(trainer)
    assert all(not torch.equal(after[name], value) for name, value in before.items())


def test_a_run_is_resumed_bit_for_bit(run: Run, tmp_path: Path) -> None:
    """A checkpoint without the projector, or without its part of the optimiser."""
    recipe = replace(run.recipe, steps=4, adapter=Adapter(rank=4, alpha=8, dropout=0.2))
    whole = replace(run, recipe=recipe, every=2)
    broken = replace(whole, out=tmp_path / "broken")
    list(fit(whole))
    events = fit(broken)
    for event in events:
        if isinstance(event, Step) and event.step == 3:  # the checkpoint is that of step 2
            break
    events.close()
    list(fit(replace(broken, resume=True)))
    first, second = (load_file(one.out / "adapter" / WEIGHTS) for one in (whole, broken))
    assert any("projector" in name for name in first)
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
    with pytest.raises(UsageError, match="was started with train projector, got language"):
        list(fit(replace(broken, recipe=replace(recipe, train="language"), resume=True)))


@pytest.mark.parametrize("family", [LLAVA, "qwen3_vl", "smolvlm", "aya_vision"])
def test_the_trained_projector_is_opened_everywhere(
    family: str, checkpoints: Checkpoints, run: Run, tmp_path: Path
) -> None:
    """A projector that merging, or peft, leaves out without a word."""
    base = checkpoints(family)
    trained = replace(run, model=str(base))
    list(fit(trained))
    adapter, merged = run.out / "adapter", merge(run.out, tmp_path / "merged")
    ours: Any = load(merged.folder, dtype="float32", device="cpu")
    ours = ours.model.state_dict()
    by_peft: Any = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        by_peft = PeftModel.from_pretrained(by_peft, str(adapter)).merge_and_unload().state_dict()
    opened = load(base, dtype="float32", device="cpu")
    before: Any = {name: value.clone() for name, value in opened.model.state_dict().items()}
    merge_into_model(adapter, opened.model)
    in_memory: Any = opened.model.state_dict()
    assert ours.keys() == by_peft.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, by_peft[name], rtol=0, atol=1e-6)
        torch.testing.assert_close(value, in_memory[name], rtol=0, atol=1e-6)
    names = load_file(adapter / WEIGHTS)
    whole = {name.removeprefix("base_model.model.") for name in names if "lora_" not in name}
    assert whole
    assert all(not torch.equal(ours[name], before[name]) for name in whole)


def test_a_merged_model_passes_its_checks(run: Run, tmp_path: Path) -> None:
    """A check that takes the new projector for damage."""
    list(fit(run))
    merge(run.out, tmp_path / "merged", check=lambda merged: _prove(merged))
    card = (tmp_path / "merged" / "README.md").read_text()
    assert "projector" in card


def _prove(merged: Any) -> None:
    checks = list(prove(merged, dtype="float32", device="cpu"))
    assert all(one.passed for one in checks if "moved" in one.name or "identical" in one.name)


def test_a_part_of_a_model_gets_its_part_of_the_adapter(checkpoints: Checkpoints, run: Run) -> None:
    """A vision tower, opened by itself, whose projector is not the trained one."""
    list(fit(run))
    whole, vision, language = (
        load(checkpoints(LLAVA), dtype="float32", device="cpu", part=part)
        for part in ("whole", "vision", "language")
    )
    for one in (whole, vision, language):
        merge_into_model(run.out / "adapter", one.model, one.part)
    expected: Any = whole.model.state_dict()
    for one in (vision, language):
        state: Any = one.model.state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in state.items())


def test_an_adapter_with_other_whole_weights_is_refused(
    checkpoints: Checkpoints, run: Run, tmp_path: Path
) -> None:
    """A head or an embedding in the adapter that would be left out without a word."""
    list(fit(run))
    adapter = run.out / "adapter"
    own = "model.multi_modal_projector"
    edit_weights(adapter, lambda name, value: (name.replace(own, "lm_head"), value))
    edit_config(adapter, modules_to_save=["lm_head"])
    told = r"4 of its \d+ weights are not in this one \(lm_head\.linear_1\.\w+; "
    with pytest.raises(ModelError, match=told):
        merge(run.out, tmp_path / "merged")
    with pytest.raises(ModelError, match=told):
        merge_into_model(adapter, load(checkpoints(LLAVA), device="cpu").model)
    edit_config(adapter, modules_to_save=["model.visual.merger"])
    with pytest.raises(ModelError, match=r"modules_to_save model\.visual\.merger, but no weights"):
        merge(run.out, tmp_path / "merged")


@pytest.mark.parametrize("family", [LLAVA, "aya_vision"])
def test_validation_sees_the_projector_of_the_moment(
    family: str, checkpoints: Checkpoints, folder: Path, run: Run, tmp_path: Path
) -> None:
    """Images measured with the tokens of the untrained projector, at every step."""
    recipe = replace(run.recipe, lr=5e-2, projector_lr=5e-2, steps=2, warmup=0)
    measured = replace(
        run, model=str(checkpoints(family)), recipe=recipe, evaluation=folder, dtype="bfloat16"
    )
    gaps = [one.measures.gap for one in fit(measured) if isinstance(one, Measured)]
    model = merge(run.out, tmp_path / "merged").folder
    vectors = E5V(model, dtype="bfloat16", device="cpu").encode
    images = vectors([folder / "images" / f"{number}.png" for number in range(8)])
    texts = vectors([f"noise number {number}" for number in range(8)])
    expected = float(np.linalg.norm(images.mean(0) - texts.mean(0)))
    assert gaps[-1] == pytest.approx(expected, abs=0.02)
    assert gaps[0] != pytest.approx(expected, abs=0.05)


def test_what_cannot_be_trained_is_refused(
    checkpoints: Checkpoints, nli: Path, recipe: Recipe, tmp_path: Path
) -> None:
    """A run that trains another thing than was asked for."""
    with pytest.raises(DataError, match="learns from images, and the data have none"):
        list(fit(Run("no/such-model", (nli,), tmp_path / "run", recipe)))
    assert not (tmp_path / "run").exists()
    opened = load(checkpoints(LLAVA), dtype="float32", device="cpu")
    without = replace(opened, backbone=replace(opened.backbone, projector=()))
    with pytest.raises(UsageError, match="no projector that can be told from its vision tower"):
        check_model(without, recipe)
    with pytest.raises(UsageError, match="cannot be trained in 4 bits"):
        replace(recipe, four_bit=True)
    with pytest.raises(UsageError, match=r"projector_lr is 0\.1, but the projector is not trained"):
        Recipe(projector_lr=0.1)
    with pytest.raises(UsageError, match="projector_lr is 0; expected above 0"):
        Recipe(train="projector", projector_lr=0)
