"""Dropout at the input of a LoRA, with a quick mask on a CPU.

    states -> a random byte per value, compared with the rate -> states / (1 - rate), or 0 -> LoRA

PyTorch draws a number of its own for every value of the mask, which took over a quarter of a
training step on a CPU. Here 64 random bits make eight values, and the mask is kept for the backward
pass in bytes, not in floats. The bits are those of PyTorch's generator: the same seed gives the
same mask. On other devices PyTorch's own dropout runs.
"""

import math
from typing import Any

import torch
from jaxtyping import Float, Int8
from torch import Tensor, nn

BYTE = 256  # numbers that a byte can be
MOST = 1 - 1 / BYTE  # the highest rate that is told by bytes


class LoraDropout(nn.Dropout):
    """Gives the input of a LoRA that is kept in float32: dropped out, and in its dtype.

    Under autocast the states stay in theirs: the weights of the LoRA are cast to it.
    """

    def forward(self, states: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows d"]:
        """Return the states in the same shape; in training, some are 0 and the others larger."""
        if not torch.is_autocast_enabled(states.device.type):
            states = states.float()
        if not self.training or self.p == 0:
            return states
        if states.device.type != "cpu" or self.p > MOST:
            return super().forward(states)
        dropped: Tensor = _Dropped.apply(states, self.p)  # type: ignore[no-untyped-call]
        return dropped


class _Dropped(torch.autograd.Function):
    """States times mask / (1 - rate), and the same of the gradient."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, rate: float) -> Tensor:
        """Draw a mask and apply it."""
        kept = draw_kept(states.shape, rate)
        ctx.save_for_backward(kept)
        ctx.scale = 1 / (1 - rate)
        return (states * kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Apply the mask of the forward pass."""
        (kept,) = ctx.saved_tensors
        return (gradient * kept).mul_(ctx.scale), None


def draw_kept(shape: torch.Size, rate: float) -> Int8[Tensor, "*rows d"]:
    """Draw a mask on the CPU: 0 with a probability of `rate`, up to `MOST`, else 1.

    A byte tells a rate to 1 / 256. So each row has the rate below or the one above, at random, by
    which the probability of every value is `rate`, to 2e-7.
    """
    count = math.prod(shape)
    lowest = -(1 << 63)  # the range is then all numbers of 64 bits
    drawn = torch.empty(-(-count // 8), dtype=torch.int64).random_(lowest, None)
    below, rest = divmod(rate * BYTE, 1)
    more = torch.rand(*shape[:-1], 1) < rest
    limits = (more + (int(below) - BYTE // 2)).to(torch.int8)
    values = drawn.view(torch.int8)[:count].view(shape)
    return values.ge_(limits)  # in place: 0 or 1, as bytes, by which PyTorch multiplies quickly
