"""What a step can fail of, and what is kept then.

a step's error -> TrainingError: step, cause, last checkpoint, what to change
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from e5v.errors import ItemError, TrainingError
from e5v.model.failures import model_errors
from e5v.model.image_files import UnreadableError
from e5v.training.run import Step
from e5v.training.run_folder import RunFolder


@contextmanager
def step_errors(step: int, model: str, folder: RunFolder) -> Iterator[None]:
    """Say what a step failed of, and which checkpoint is kept."""
    try:
        with model_errors(model):
            yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"step {step + 1} does not fit in the GPU's memory; {folder.kept()}; "
            "use fewer tokens per chunk, or recompute activations in the backward pass",
            argument="chunk_tokens",
        ) from error
    except (ItemError, UnreadableError) as error:
        cause = error.cause if isinstance(error, ItemError) else error
        raise TrainingError(
            f"step {step + 1}: an item of the data cannot be embedded: {cause}; "
            f"{folder.kept()}; restore its image and resume the run",
            argument="resume",
        ) from error


def check_finite(taken: Step, folder: RunFolder) -> None:
    """Check that a step's loss and gradient are numbers.

    Raises:
        TrainingError: they are not.
    """
    if math.isfinite(taken.loss) and math.isfinite(taken.grad_norm):
        return
    raise TrainingError(
        f"step {taken.step} has a loss of {taken.loss:g} and a gradient norm of "
        f"{taken.grad_norm:g}; {folder.kept()}; lower the learning rate, or use float32",
        argument="lr",
    )
