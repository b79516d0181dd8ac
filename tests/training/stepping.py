"""A trainer whose adapter has a gradient everywhere, and that gradient in one row."""

import torch
from torch import Tensor

from e5v.model.loading import Loaded
from e5v.training.image_cache import ImageCache
from e5v.training.recipe import Recipe
from e5v.training.trainer import Trainer


def open_trainer(loaded: Loaded, recipe: Recipe, images: ImageCache | None = None) -> Trainer:
    """Return a trainer whose weights are away from 0; the same for the same model and recipe."""
    trainer = Trainer(loaded, recipe, images=images)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in trainer.weights:  # B starts at 0, and with it the gradient of A
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return trainer


def take_gradient(trainer: Trainer) -> Tensor:
    """Return the gradient of all weights in one row, and clear it."""
    row = torch.cat([one.grad.flatten() for one in trainer.weights if one.grad is not None])
    trainer.optimiser.zero_grad()
    return row
