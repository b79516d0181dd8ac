"""Checks that a recipe suits the data and the model, before the first step.

recipe + Triplets                          -> template, mask, projector
recipe + Triplets + how the model is asked -> prompt, template
recipe + Loaded                            -> dims, dtype, projector
"""

import torch

from e5v.errors import DataError, UsageError, plural
from e5v.inputs import Item, Text
from e5v.model.loading import Loaded
from e5v.model.projector import find_projector
from e5v.model.prompts import find_prompt
from e5v.model.recipe import Recipe as ModelRecipe
from e5v.training.recipe import Recipe
from e5v.training.triplets import Triplets


def check_data(data: Triplets, recipe: Recipe) -> None:
    """Check that a recipe's template, mask and projector suit the data, without a model.

    Raises:
        DataError: the faithful template or mask is given other data than the official script's, or
            the projector is to be trained on data without images.
        PromptError: the prompt is unknown.
    """
    find_prompt(recipe.prompt)
    if recipe.train == "projector" and not data.has_images:
        raise DataError(
            "the projector learns from images, and the data have none; train the language model "
            "only, or give data with images",
            argument="train",
        )
    if data.has_images and "faithful" in {recipe.template, recipe.mask}:
        name = "mask" if recipe.mask == "faithful" else "template"
        raise DataError(
            f"the faithful {name} takes texts only; the data have images", argument=name
        )
    if recipe.mask == "faithful" and data.kinds.negatives != {1}:
        raise DataError(
            "the faithful mask needs one hard negative in every row; some rows have none "
            "or several",
            argument="mask",
        )


def check_asked(data: Triplets, recipe: Recipe, asked: ModelRecipe) -> None:
    """Check that the data can be put to a model that is asked by a recipe; nothing is loaded.

    Raises:
        PromptError: the prompt has no slot for a part of an item.
        UsageError: the faithful template is not for a model that is asked in another way.
    """
    prompt = find_prompt(recipe.prompt)
    for item in (Item((Text("a text"),)), *data.kinds.examples.values()):
        asked.ask(item, prompt)
    if recipe.template == "faithful" and asked.wording("query", prompt):
        raise UsageError(
            f"the faithful template is of E5-V's own script, but the model is asked by the recipe "
            f"{asked.name}; leave the template out",
            argument="template",
        )


def check_model(loaded: Loaded, recipe: Recipe, *, sharded: bool = False) -> None:
    """Check that a recipe fits a model; `sharded` if ranks divide its layers.

    Raises:
        UsageError: it asks for more values than the vectors have, the dtype is float16, or the
            model has no projector that can be trained, or its layers cannot be divided.
    """
    width = loaded.text_config.hidden_size
    if any(dim > width for dim in recipe.objective.dims):
        raise UsageError(
            f"dims has {max(recipe.objective.dims)}; the vectors have {plural(width, 'value')}",
            argument="dims",
        )
    if recipe.train == "projector" and not find_projector(loaded.model, loaded.backbone):
        raise UsageError(
            f"{loaded.name} has no projector that can be told from its vision tower; train the "
            "language model only",
            argument="train",
        )
    if sharded and loaded.part == "whole" and loaded.backbone.layout == "whole":
        raise UsageError(
            f"{loaded.name} is of an architecture that is run on one image at a time, so that its "
            "layers cannot be divided among processes; train it on texts only, or undivided",
            argument="shard",
        )
    if loaded.model.dtype == torch.float16:
        raise UsageError(
            "dtype is float16, in which gradients underflow; expected bfloat16 or float32",
            argument="dtype",
        )
