"""The files of a checkpoint: the adapter and the state of the optimiser.

adapter + optimiser -> file name -> bytes -> restored into a model that has the same adapter
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from e5v.errors import ModelError, TrainingError, first_line
from e5v.model.loading import Loaded
from e5v.training.adapter import WEIGHTS, restore_adapter

OPTIMISER = "optimiser.pt"


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
