"""Gradients of chunks against those of the plain full batch, on the real model."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from e5v.model.loading import Loaded
from e5v.model.prompts import find_prompt
from e5v.training.chunks import PackedPass
from e5v.training.gradcache import GradCache
from e5v.training.loss import Loss, contrastive, distinct
from e5v.training.ranks import Ranks
from e5v.training.recipe import Recipe
from e5v.training.student import Student
from e5v.training.training_prompts import Wording
from e5v.training.triplets import Triplet

Language = Callable[[str], Loaded]
FAMILIES = ("llava_next_llama3", "qwen2_vl", "gemma3", "aya_vision")  # packed, 3-D, padded, whole


def _prepare(loaded: Loaded, recipe: Recipe) -> tuple[Student, Wording]:
    student = Student(loaded, recipe)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in student.weights:  # B starts at 0, and with it the gradient of A
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    prompt = find_prompt("retrieval")
    return student, Wording(loaded, prompt, template="fixed", text_tokens=32)


def _loss_of(triplets: tuple[Triplet, ...]) -> Callable[[Tensor], Loss]:
    allowed = distinct(triplets)
    count = len(triplets)
    return lambda states: contrastive(states[:count], states[count:], allowed)


def _texts(triplets: tuple[Triplet, ...]) -> list[str]:
    negatives = [one.negative for one in triplets if one.negative]
    return [one.anchor for one in triplets] + [one.positive for one in triplets] + negatives


def _gradients(student: Student) -> list[Tensor]:
    found = [weight.grad for weight in student.weights]
    assert all(one is not None for one in found)
    student.optimiser.zero_grad(set_to_none=False)
    return [one.clone() for one in found if one is not None]


@pytest.mark.slow
@pytest.mark.parametrize("activations", ["kept", "recomputed"])
@pytest.mark.parametrize("family", FAMILIES)
def test_chunks_have_the_gradient_of_the_whole(
    family: str, activations: str, language: Language, short: Recipe, triplets: tuple[Triplet, ...]
) -> None:
    """A batch that is many small ones, a token pooled elsewhere, an attention that was let go."""
    recipe = replace(short, recompute=activations == "recomputed")
    student, wording = _prepare(language(family), recipe)
    texts = [wording(text).prompted for text in _texts(triplets)]
    loss_of = _loss_of(triplets)

    rows = []
    for text in texts:  # one by one, by the model's own forward pass, in one graph
        ids = torch.tensor([text.ids])
        base = student.loaded.model.base_model
        rows.append(base(input_ids=ids, use_cache=False).last_hidden_state[0, -1])
    plain = loss_of(torch.stack(rows))
    plain.value.backward()  # type: ignore[no-untyped-call]
    expected = _gradients(student)

    for budget in (64, 10_000):
        way = PackedPass(student.embedder.encoder, budget)
        width, place = student.embedder.width, student.embedder.device
        cache = GradCache(way, width, place, Ranks(), nullcontext)
        loss = cache.backward(texts, len(triplets), loss_of, seed=0)
        assert abs(float(loss.value) - plain.value.item()) < 1e-5
        longest = max(float(one.abs().max()) for one in expected)
        for got, want in zip(_gradients(student), expected, strict=True):
            assert float((got - want).abs().max()) < 1e-5 * max(1.0, longest)


def test_dropout_falls_on_the_same_values_twice(
    language: Language, short: Recipe, triplets: tuple[Triplet, ...]
) -> None:
    """A gradient of states that were never compared: the second pass drops other values."""
    recipe = replace(short, adapter=replace(short.adapter, dropout=0.5))
    student, wording = _prepare(language("llava_next_llama3"), recipe)
    texts = [wording(text).prompted for text in _texts(triplets)]
    made: list[Tensor] = []

    class Spy:
        def __init__(self, way: PackedPass) -> None:
            self.way, self.chunks = way, way.chunks

        def states(self, chunk: list[object]) -> object:
            context = self.way.states(chunk)  # type: ignore[arg-type]
            states = context.__enter__()
            made.append(states.detach().clone())
            context.__exit__(None, None, None)
            return nullcontext(states)

    way = Spy(PackedPass(student.embedder.encoder, 200))
    width, place = student.embedder.width, student.embedder.device
    cache = GradCache(way, width, place, Ranks(), nullcontext)  # type: ignore[arg-type]
    before = torch.random.get_rng_state()
    cache.backward(texts, len(triplets), _loss_of(triplets), seed=3)
    assert torch.equal(before, torch.random.get_rng_state())

    half = len(made) // 2
    assert half > 2
    for first, second in zip(made[:half], made[half:], strict=True):
        assert torch.equal(first, second)
    cache.backward(texts, len(triplets), _loss_of(triplets), seed=4)
    assert not torch.equal(made[0], made[2 * half])
