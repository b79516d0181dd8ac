"""The files of a checkpoint: the adapter and the state of the optimiser.

adapter + optimiser -> file name -> bytes -> restored into a model that has the same adapter
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from e5v.errors import ModelError, TrainingError, first_line
from e5v.model.loading import Loaded
from e5v.training.adapter import WEIGHTS, restore_adapter
from e5v.training.recipe import Recipe

OPTIMISER = "optimiser.pt"


def make_optimiser(
    weights: Sequence[nn.Parameter], projector: Iterable[nn.Parameter], recipe: Recipe
) -> torch.optim.Optimizer:
    """Return AdamW for all `weights`; those of the projector are learned at their own rate."""
    own = list(projector)
    there = {id(weight) for weight in own}
    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in weights if id(weight) not in there]}
    ]
    if own:
        groups.append({"params": own, "scale": recipe.projector_scale})
    return torch.optim.AdamW(groups, lr=recipe.lr, weight_decay=0.0)


def optimiser_files(optimiser: torch.optim.Optimizer) -> Mapping[str, bytes]:
    """Return the state of an optimiser as a file."""
    state = io.BytesIO()
    torch.save(optimiser.state_dict(), state)
    return {OPTIMISER: state.getvalue()}


def restore_checkpoint(checkpoint: Path, loaded: Loaded, optimiser: torch.optim.Optimizer) -> int:
    """Restore adapter and optimiser from a checkpoint; return its number of steps.

    Raises:
        ModelError: it belongs to another model or recipe.
        TrainingError: one of its files is damaged or missing.
    """
    try:
        restore_adapter(loaded, (checkpoint / WEIGHTS).read_bytes())
        state: dict[str, Any] = torch.load(  # from whichever device it was saved
            checkpoint / OPTIMISER, map_location="cpu", weights_only=True
        )
        optimiser.load_state_dict(state)
    except ModelError:
        raise
    except Exception as error:
        raise TrainingError(
            f"{checkpoint} cannot be read: {first_line(error)}; delete it to start over"
        ) from error
    return int(checkpoint.name.rpartition("-")[2])
