"""Gradients of chunks against those of the plain full batch, on the real model."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from e5v.model.encoder import Encoder, Prompted
from e5v.model.loading import Loaded
from e5v.training.chunks import ChunkPass, PackedPass
from e5v.training.loss import batch_loss
from e5v.training.recipe import Recipe
from e5v.training.sampler import Batch
from e5v.training.trainer import Trainer
from e5v.training.triplets import Triplet
from tests.training.stepping import open_trainer

Language = Callable[[str], Loaded]
FAMILIES = ("llava_next_llama3", "qwen2_vl", "gemma3", "aya_vision")  # packed, 3-D, padded, whole


def _prompts(trainer: Trainer, batch: Batch) -> list[Prompted]:
    return [one.prompted for one in trainer.prompts.prepare(batch.items)]


def _use_chunks(trainer: Trainer, forward: ChunkPass) -> None:
    trainer.gradients = replace(trainer.gradients, forward=forward)


def _gradients(trainer: Trainer) -> list[Tensor]:
    found = [weight.grad for weight in trainer.weights]
    assert all(one is not None for one in found)
    trainer.optimiser.zero_grad(set_to_none=False)
    return [one.clone() for one in found if one is not None]


@pytest.mark.parametrize("activations", ["kept", "recomputed"])
@pytest.mark.parametrize("family", FAMILIES)
def test_chunks_have_the_gradient_of_the_whole(
    family: str, activations: str, language: Language, short: Recipe, triplets: tuple[Triplet, ...]
) -> None:
    """A batch that is many small ones, a token pooled elsewhere, an attention that was let go."""
    recipe = replace(short, recompute=activations == "recomputed")
    trainer, batch = open_trainer(language(family), recipe), Batch(triplets, ())
    prompts = _prompts(trainer, batch)

    rows = []
    for one in prompts:  # one by one, by the model's own forward pass, in one graph
        ids = torch.tensor([one.ids])
        base = trainer.loaded.model.base_model
        rows.append(base(input_ids=ids, use_cache=False).last_hidden_state[0, -1])
    plain = batch_loss(torch.stack(rows), batch, recipe)
    plain.value.backward()  # type: ignore[no-untyped-call]
    expected = _gradients(trainer)

    for budget in (64, 10_000):
        _use_chunks(trainer, PackedPass(Encoder(trainer.loaded), budget))
        loss = trainer.accumulate(prompts, batch)
        assert abs(float(loss.value) - plain.value.item()) < 1e-5
        longest = max(float(one.abs().max()) for one in expected)
        for got, want in zip(_gradients(trainer), expected, strict=True):
            assert float((got - want).abs().max()) < 1e-5 * max(1.0, longest)


def test_dropout_falls_on_the_same_values_twice(
    language: Language, short: Recipe, triplets: tuple[Triplet, ...]
) -> None:
    """A gradient of states that were never compared: the second pass drops other values."""
    recipe = replace(short, adapter=replace(short.adapter, dropout=0.5))
    trainer, batch = open_trainer(language("llava_next_llama3"), recipe), Batch(triplets, ())
    prompts = _prompts(trainer, batch)
    made: list[Tensor] = []

    class Spy:
        def __init__(self, forward: PackedPass) -> None:
            self.forward, self.chunks = forward, forward.chunks
            self.add_image_tokens = forward.add_image_tokens

        def states(self, chunk: list[object]) -> object:
            context = self.forward.states(chunk)  # type: ignore[arg-type]
            states = context.__enter__()
            made.append(states.detach().clone())
            context.__exit__(None, None, None)
            return nullcontext(states)

    _use_chunks(trainer, Spy(PackedPass(Encoder(trainer.loaded), 200)))  # type: ignore[arg-type]
    before = torch.random.get_rng_state()
    trainer.accumulate(prompts, batch, 3)
    assert torch.equal(before, torch.random.get_rng_state())

    chunks = (len(made) + 1) // 2
    assert chunks > 2
    assert len(made) == 2 * chunks - 1  # the last chunk's states are computed once
    for first, second in zip(made[: chunks - 1], made[chunks:], strict=True):
        assert torch.equal(first, second)
    trainer.accumulate(prompts, batch, 4)
    assert not torch.equal(made[0], made[2 * chunks - 1])
