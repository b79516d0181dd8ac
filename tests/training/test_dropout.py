"""Dropout before a LoRA: its rate, its scale, its gradient, and that a seed repeats it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from e5v.model.loading import Loaded
from e5v.training.adapter import add_adapter
from e5v.training.dropout import MOST, LoraDropout
from e5v.training.recipe import Adapter

Language = Callable[[str], Loaded]
ROWS, WIDTH = 4000, 504  # not a multiple of 8 bytes a row, nor in all
RATES = (0.001, 0.05, 0.3, 0.5, MOST)


def _drop(rate: float, states: Tensor, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    dropped: Tensor = LoraDropout(rate)(states)
    return dropped


@pytest.mark.parametrize("rate", RATES)
def test_rate_and_scale_are_those_of_dropout(rate: float) -> None:
    """A rate rounded to 1/256, a scale that changes the mean, a byte that is never negative."""
    states = torch.ones(ROWS, WIDTH)
    dropped = _drop(rate, states)
    zeros = (dropped == 0).double()
    kept = dropped[dropped != 0]
    assert torch.equal(kept, torch.full_like(kept, 1 / (1 - rate)))
    deviation = (rate * (1 - rate) / zeros.numel()) ** 0.5
    assert abs(float(zeros.mean()) - rate) < 5 * deviation
    for place in range(8):  # of a byte among the eight of a random number
        share = float(zeros.flatten()[place::8].mean())
        assert abs(share - rate) < 5 * deviation * 8**0.5


def test_values_are_dropped_one_by_one() -> None:
    """Bits used twice: a value is dropped whenever another is."""
    zeros = (_drop(0.3, torch.ones(ROWS, WIDTH)) == 0).double()
    for other in (zeros.roll(1, 1), zeros.roll(8, 1), zeros.roll(1, 0)):
        both = float((zeros * other).mean())
        assert both == pytest.approx(0.3**2, abs=0.002)


def test_a_seed_repeats_the_mask() -> None:
    """A second pass, or a resumed run, that drops other values."""
    states = torch.randn(30, 7)
    assert torch.equal(_drop(0.3, states), _drop(0.3, states))
    assert not torch.equal(_drop(0.3, states), _drop(0.3, states, seed=1))
    again = LoraDropout(0.3)(states)
    assert not torch.equal(_drop(0.3, states), again)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradient_is_that_of_the_same_mask(dtype: torch.dtype) -> None:
    """A gradient through values that were dropped, or without the scale."""
    states = (torch.rand(50, 9) + 1).to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        dropped = _drop(0.4, states)
    upstream = torch.randn(50, 9).to(dtype)
    dropped.backward(upstream)  # type: ignore[no-untyped-call]
    kept = (dropped != 0).to(dtype)
    assert dropped.dtype == dtype
    assert torch.equal(dropped, states * kept * (1 / 0.6))
    assert states.grad is not None
    assert torch.equal(states.grad, upstream * kept * (1 / 0.6))


def test_in_use_nothing_is_dropped() -> None:
    """A vector that differs from call to call; a LoRA in float32 given bfloat16."""
    states = torch.randn(5, 3).bfloat16()
    assert torch.equal(LoraDropout(0.5).eval()(states), states.float())


def test_a_rate_above_what_bytes_tell_is_kept() -> None:
    """A limit that does not fit into a byte: all would be kept."""
    zeros = (_drop(0.999, torch.ones(ROWS, WIDTH)) == 0).double()
    assert float(zeros.mean()) == pytest.approx(0.999, abs=1e-4)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_every_lora_has_it(language: Language, rate: float) -> None:
    """A layer with peft's dropout, or that computes something else in use."""
    loaded = language("llava_next_llama3")
    loaded.model.bfloat16()
    add_adapter(loaded, Adapter(rank=2, alpha=4, dropout=rate), seed=0)
    layers = [one for one in loaded.model.modules() if isinstance(one, LoraLayer)]
    assert layers
    for layer in layers:
        ours = layer.lora_dropout["default"]
        assert isinstance(ours, LoraDropout)
        assert ours.p == rate
        down: Any = layer.lora_A["default"]
        up: Any = layer.lora_B["default"]
        nn.init.normal_(up.weight)
        layer.eval()  # type: ignore[attr-defined]
        states = torch.randn(3, down.in_features).bfloat16()
        with torch.no_grad():
            found = layer(states)  # type: ignore[operator]
            layer.lora_dropout["default"], layer.cast_input_dtype_enabled = nn.Identity(), True
            assert torch.equal(found, layer(states))  # type: ignore[operator]
