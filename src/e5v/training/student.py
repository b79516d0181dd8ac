"""The model in training: the language model, its adapter and its optimiser.

language model + LoRA + optimiser -> a step -> files of a checkpoint -> restored state
"""

import io
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from e5v.errors import DataError, ModelError, TrainingError, UsageError, first_line, plural
from e5v.model.embedder import E5V
from e5v.model.loading import Loaded
from e5v.training.adapter import WEIGHTS, adapter_files, add_adapter, restore_adapter, trained
from e5v.training.chunks import CPU_CHUNK, GPU_CHUNK, OfficialPass, PackedPass, Pass
from e5v.training.ranks import Ranks
from e5v.training.recipe import Recipe
from e5v.training.triplets import Triplets

OPTIMISER = "optimiser.pt"


class Student:
    """A loaded language model, its adapter and its optimiser.

    Raises:
        UsageError: the recipe does not fit the model.
    """

    def __init__(self, loaded: Loaded, recipe: Recipe) -> None:
        _check(loaded, recipe)
        self.recipe = recipe
        self.loaded = loaded
        self.config = add_adapter(loaded, recipe.adapter, recipe.seed)
        self.embedder = E5V(loaded)
        self.weights = trained(loaded)
        self.optimiser = torch.optim.AdamW(self.weights, lr=recipe.lr, weight_decay=0.0)
        loaded.model.train()
        if recipe.recompute:
            name = "activation_checkpointing_enable"  # what newer transformers call it
            model = loaded.language_model
            enable = getattr(model, name, None) or model.gradient_checkpointing_enable
            enable({"use_reentrant": False})

    def way(self, data: Triplets) -> Pass:
        """Return how texts are run through the model.

        Raises:
            DataError: the faithful mask needs one hard negative in every row.
        """
        encoder = self.embedder.encoder
        if self.recipe.mask == "faithful":
            if not all(len(row.negatives) == 1 for row in data.rows):
                raise DataError(
                    "the faithful mask needs one hard negative in every row; some rows have none "
                    "or several",
                    argument="mask",
                )
            return OfficialPass(encoder, self.loaded.processor.tokenizer.eos_token_id)
        usual = GPU_CHUNK if self.embedder.device.type == "cuda" else CPU_CHUNK
        return PackedPass(encoder, self.recipe.chunk_tokens or usual)

    def autocast(self) -> AbstractContextManager[object]:
        """Compute the adapter, which is kept in float32, in the model's own precision."""
        if self.embedder.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.embedder.device.type, self.embedder.dtype)

    def lr(self, step: int) -> float:
        """Return the learning rate of a step, from 0: linear warmup, then linear decay to 0."""
        recipe = self.recipe
        warmup = recipe.steps // 10 if recipe.warmup is None else recipe.warmup
        rise, fall = (step + 1) / max(warmup, 1), (recipe.steps - step) / (recipe.steps - warmup)
        return recipe.lr * min(rise, fall, 1.0)

    def learn(self, step: int, ranks: Ranks) -> float:
        """Update the weights; return the gradient norm before clipping.

        If the norm is not finite, the weights stay as they are.
        """
        ranks.add_gradients(self.weights)
        length = float(torch.nn.utils.clip_grad_norm_(self.weights, self.recipe.clip))
        if math.isfinite(length):
            for group in self.optimiser.param_groups:
                group["lr"] = self.lr(step)
            self.optimiser.step()
        self.optimiser.zero_grad()
        return length

    def adapter(self) -> Mapping[str, bytes]:
        """Return the adapter's files."""
        return adapter_files(self.loaded, self.config)

    def checkpoint(self) -> Mapping[str, bytes]:
        """Return the files that `restore` reads."""
        state = io.BytesIO()
        torch.save(self.optimiser.state_dict(), state)
        return {**self.adapter(), OPTIMISER: state.getvalue()}

    def restore(self, checkpoint: Path) -> int:
        """Restore a checkpoint; return its number of steps.

        Raises:
            ModelError: it belongs to another model or recipe.
            TrainingError: one of its files is damaged or missing.
        """
        try:
            restore_adapter(self.loaded, (checkpoint / WEIGHTS).read_bytes())
            state: dict[str, Any] = torch.load(  # from whichever device it was saved
                checkpoint / OPTIMISER, map_location="cpu", weights_only=True
            )
            self.optimiser.load_state_dict(state)
        except ModelError:
            raise
        except Exception as error:
            raise TrainingError(
                f"{checkpoint} cannot be read: {first_line(error)}; delete it to start over"
            ) from error
        return int(checkpoint.name.rpartition("-")[2])


def _check(loaded: Loaded, recipe: Recipe) -> None:
    width = loaded.text_config.hidden_size
    if any(dim > width for dim in recipe.objective.dims):
        raise UsageError(
            f"dims has {max(recipe.objective.dims)}; the vectors have {plural(width, 'value')}",
            argument="dims",
        )
    if loaded.model.dtype == torch.float16:
        raise UsageError(
            "dtype is float16, in which gradients underflow; expected bfloat16 or float32",
            argument="dtype",
        )
