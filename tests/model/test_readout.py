"""Vectors read elsewhere in the language model, against transformers' own hidden states."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from e5v import E5V, UsageError
from e5v.vectors import unit

Checkpoints = Callable[[str], Path]
TEXTS = ["A dog runs.", "Two men in hats are playing chess in the park."]


@pytest.mark.parametrize("family", ["llava_next_llama3", "qwen3_vl", "gemma3", "aya_vision"])
def test_layers_are_those_of_transformers(family: str, checkpoints: Checkpoints) -> None:
    """A layer too many or too few, or a final norm that belongs to the last alone."""
    whole = E5V(checkpoints(family), dtype="float32")
    at_one = E5V(whole.loaded, readout="1")
    for text, got in zip(TEXTS, at_one.encode(TEXTS), strict=True):
        ids = torch.tensor([whole.prepare(text).prompted.ids])
        with torch.no_grad():
            states = whole.loaded.language_model(input_ids=ids, output_hidden_states=True)
        want = unit(states.hidden_states[1][0, -1].numpy())
        assert np.abs(got - want).max() < 1e-5
    assert np.abs(whole.encode(TEXTS) - at_one.encode(TEXTS)).max() > 1e-3


@pytest.mark.parametrize("family", ["llava_next_llama3", "qwen3_vl", "aya_vision"])
def test_before_the_mlp_is_the_last_layer_without_it(family: str, checkpoints: Checkpoints) -> None:
    """An MLP that is left out of every layer, or of none."""
    whole = E5V(checkpoints(family), dtype="float32")
    layer = whole.loaded.language_model.layers[-1]
    got = E5V(whole.loaded, readout="before-mlp").encode(TEXTS)
    after = whole.encode(TEXTS)
    with torch.no_grad():
        layer.mlp.down_proj.weight.zero_()
    assert np.abs(got - whole.encode(TEXTS)).max() < 1e-6
    assert np.abs(got - after).max() > 1e-3


def test_a_model_is_left_whole(checkpoints: Checkpoints) -> None:
    """A model that stays short after it was read at a layer."""
    whole = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    before = whole.encode(TEXTS)
    E5V(whole.loaded, readout="1").encode(TEXTS)
    E5V(whole.loaded, readout="before-mlp").encode(TEXTS)
    assert np.array_equal(whole.encode(TEXTS), before)


@pytest.mark.parametrize("readout", ["0", "99", "first", "-1"])
def test_readouts_that_are_not_there_are_told(readout: str, checkpoints: Checkpoints) -> None:
    """An empty model that gives the words' own embeddings."""
    with pytest.raises(UsageError, match=r"expected last, before-mlp or 1 to"):
        E5V(checkpoints("llava_next_llama3"), readout=readout)


def test_states_have_their_own_length(checkpoints: Checkpoints) -> None:
    """Sums of unit vectors where the paper sums states."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    states = model.states(TEXTS)
    assert np.abs(np.linalg.norm(states, axis=1) - 1).min() > 0.1
    assert np.allclose(unit(states), model.encode(TEXTS), atol=1e-7)
