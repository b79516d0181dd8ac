"""How weights are moved: bfloat16 weights that work, float32 masters that remember.

gradients -> masters -> Muon for the matrices, AdamW for the rest -> weights
"""

from typing import Any

import torch
from torch import Tensor, nn

from nano.batches import Plan

MATRIX = 2  # axes
WARM, FADE = 0.04, 0.5  # shares of the steps, at the start and at the end


class Optimizer:
    """The optimisers of some parameters of a model and their float32 masters, by name."""

    def __init__(self, parameters: dict[str, nn.Parameter], plan: Plan) -> None:
        """Take the parameters to be trained; all others should not require gradients."""
        self._plan, self._weights = plan, parameters
        self.masters = {name: one.detach().float().clone() for name, one in parameters.items()}
        matrices = [one for name, one in self.masters.items() if _is_matrix(name, one)]
        others = [one for name, one in self.masters.items() if not _is_matrix(name, one)]
        muon = torch.optim.Muon(matrices, weight_decay=0.03, adjust_lr_fn="match_rms_adamw")
        adam = torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0)
        self._optimisers: dict[Any, float] = {muon: plan.matrix_rate, adam: plan.other_rate}

    def step(self, number: int) -> None:
        """Move the weights by their gradients, which are then gone."""
        for name, weight in self._weights.items():
            master = self.masters[name]
            master.grad = None if weight.grad is None else weight.grad.float()
            weight.grad = None
        nn.utils.clip_grad_norm_(list(self.masters.values()), 1.0)
        factor = _rate_factor(number, self._plan.steps)
        for optimiser, rate in self._optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
            optimiser.step()
        self._publish()

    @torch.no_grad()
    def _publish(self) -> None:
        for name, weight in self._weights.items():
            weight.copy_(self.masters[name])

    def state(self) -> dict[str, Any]:
        """Return all that a later process needs to go on."""
        return {
            "masters": self.masters,
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        for name, master in self.masters.items():
            master.copy_(state["masters"][name])
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self._publish()


def _is_matrix(name: str, weight: Tensor) -> bool:
    """Tell the hidden matrices, which Muon is made for, from tables, filters and vectors."""
    return weight.ndim == MATRIX and "embed" not in name and not name.startswith("head.")


def _rate_factor(step: int, steps: int) -> float:
    """Return the part of the peak rate that holds at a step: up, level, straight down."""
    rising = (step + 1) / max(1, round(WARM * steps))
    falling = (steps - step) / max(1, round(FADE * steps))
    return min(1.0, rising, falling)
