"""How weights are moved: bfloat16 weights that work, float32 masters that remember.

gradients -> masters -> Muon for the matrices, AdamW for the rest -> weights
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

MATRIX = 2  # axes


@dataclass(frozen=True)
class Schedule:
    """How fast: peak rates and the length of the run, in steps of `batch` samples."""

    steps: int
    batch: int
    matrix_rate: float
    other_rate: float
    warm: float = 0.04  # share of the steps
    fade: float = 0.5  # share of the steps, at the end

    def factor(self, step: int) -> float:
        """Return the part of the peak rate that holds at a step: up, level, straight down."""
        rising = (step + 1) / max(1, round(self.warm * self.steps))
        falling = (self.steps - step) / max(1, round(self.fade * self.steps))
        return min(1.0, rising, falling)


class Optimizer:
    """The optimisers of some parameters of a model and their float32 masters, by name."""

    def __init__(self, parameters: dict[str, nn.Parameter], schedule: Schedule) -> None:
        """Take the parameters to be trained; all others should not require gradients."""
        self._schedule = schedule
        self._weights = parameters
        self.masters = {
            name: weight.detach().float().clone() for name, weight in parameters.items()
        }
        matrices = [m for name, m in self.masters.items() if _is_matrix(name, m)]
        others = [m for name, m in self.masters.items() if not _is_matrix(name, m)]
        self._optimisers: list[tuple[Any, float]] = []
        if matrices:
            muon = torch.optim.Muon(matrices, weight_decay=0.03, adjust_lr_fn="match_rms_adamw")
            self._optimisers.append((muon, schedule.matrix_rate))
        if others:
            adam = torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0)
            self._optimisers.append((adam, schedule.other_rate))

    def step(self, number: int) -> None:
        """Move the weights by their gradients, which are then gone."""
        for name, weight in self._weights.items():
            master = self.masters[name]
            master.grad = None if weight.grad is None else weight.grad.float()
            weight.grad = None
        nn.utils.clip_grad_norm_(list(self.masters.values()), 1.0)
        for optimiser, rate in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * self._schedule.factor(number)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self._publish()

    @torch.no_grad()
    def _publish(self) -> None:
        for name, weight in self._weights.items():
            weight.copy_(self.masters[name])

    def state(self) -> dict[str, Any]:
        """Return all that a later process needs to go on."""
        optimisers = [optimiser.state_dict() for optimiser, _ in self._optimisers]
        return {"masters": self.masters, "optimisers": optimisers}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        for name, master in self.masters.items():
            master.copy_(state["masters"][name])
        for (optimiser, _), saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self._publish()


def _is_matrix(name: str, weight: Tensor) -> bool:
    """Tell the hidden matrices, which Muon is made for, from tables, filters and vectors."""
    return weight.ndim == MATRIX and "embed" not in name and not name.startswith("head.")
