"""Merge an adapter into the weights of an open model, computed in float32.

Lora -> each of its names -> the name in this model, or an error -> shapes compared -> W + scale B A
                                                                -> whole weights replaced

An adapter keeps the names of the version of transformers that it was trained with. They are
translated as those of old checkpoints are; a name that is in no version of this model is an error:
a model that is silently not tuned looks like a tuned one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from e5v.errors import ModelError, plural
from e5v.model.hf_internals import name_translator
from e5v.model.lora import Lora, open_lora
from e5v.model.partial import Part, language_path

ALONE = ("language_model.model.", "language_model.", "model.", "")  # if it was trained alone
SHOWN = 3  # names in a message


def merge_into_model(adapter: Path, model: Any, part: Part = "whole") -> None:
    """Merge an adapter in peft's format into the open model that it was trained on.

    Weights are added in float32 and rounded once to the model's dtype. A model of which only a
    `part` is open gets what the adapter has for that part.

    Raises:
        ModelError: the adapter is of another kind than LoRA and DoRA, or has a weight that this
            model has not, or has in another shape, or whose content is not on a device.
    """
    lora = open_lora(adapter)
    places = match_names(adapter, lora, model, part)
    if any(model.get_parameter(name).is_meta for name in places.values()):
        raise ModelError(
            f"{adapter} cannot be merged into weights that wait in memory or on disk for their "
            "device; merge it into a checkpoint of its own first",
            argument="device_map",
        )
    with torch.no_grad():
        for given, name in places.items():
            weight = model.get_parameter(name)
            changed = lora.changed(given, weight)
            _replace(model, name, nn.Parameter(changed, requires_grad=weight.requires_grad))


def match_names(adapter: Path, lora: Lora, model: Any, part: Part = "whole") -> dict[str, str]:
    """Match the weights of an adapter to those of a model: name in the adapter -> in the model.

    The model's weights need no content.

    Raises:
        ModelError: a weight is not in this model, or in another shape, or quantised.
    """
    weights = dict(model.named_parameters(remove_duplicate=False))
    translate = name_translator(model)
    language = "" if part == "vision" else language_path(model)
    places: dict[str, str] = {}
    unknown: list[str] = []
    for given in lora.shapes:
        names = _possible_names(given, model.base_model_prefix, language, translate)
        name = next((one for one in names if one in weights), None)
        if name is None:
            unknown.append(given)
        elif name in places.values():
            raise ModelError(f"{adapter} has {name} twice, the second time as {given}")
        else:
            places[given] = name
    if unknown and (part == "whole" or (part == "language" and not places)):
        raise ModelError(
            f"{adapter} {_blame(lora)}: {len(unknown)} of its {plural(len(lora.shapes), 'weight')} "
            f"are not in this one ({join_names(unknown)})"
        )
    _check_shapes(adapter, lora, places, weights)
    return places


def _possible_names(
    given: str, base: str, language: str, translate: Callable[[str], str]
) -> Iterator[str]:
    """Yield the names that a weight may have in this model, by its name in the one of training.

    That is of another version of transformers, the base model without a head, or the language model
    alone.
    """
    for name in (given, translate(given)):
        yield from with_and_without(base, name)
    for root in ALONE:
        if given.startswith(root) and language:
            yield f"{language}.{given.removeprefix(root)}"


def with_and_without(base: str, name: str) -> tuple[str, str, str]:
    """Return a weight's name, and its names in a model with a head and in one without."""
    return name, f"{base}.{name}", name.removeprefix(f"{base}.")


def _check_shapes(
    adapter: Path, lora: Lora, places: Mapping[str, str], weights: Mapping[str, Tensor]
) -> None:
    coded = [name for name in places.values() if not weights[name].is_floating_point()]
    if coded:
        raise ModelError(
            f"{adapter} cannot be merged into quantised weights ({coded[0]}); open the model "
            "without quantising it"
        )
    shapes = lora.shapes
    wrong = [
        f"{name} is {tuple(weights[name].shape)}, the adapter's {shapes[given]}"
        for given, name in places.items()
        if tuple(weights[name].shape) != shapes[given]
    ]
    if wrong:
        raise ModelError(
            f"{adapter} {_blame(lora)}: {len(wrong)} of its {plural(len(places), 'weight')} "
            f"have other shapes ({join_names(wrong)})"
        )


def _blame(lora: Lora) -> str:
    """Say that an adapter does not fit, and which model it names."""
    named = f" ({lora.base})" if lora.base else ""
    return f"was trained on another model{named}"


def join_names(names: Sequence[str]) -> str:
    """List a few names, for a message."""
    return "; ".join(names[:SHOWN]) + ("; ..." if len(names) > SHOWN else "")


def _replace(model: Any, name: str, weight: nn.Parameter) -> None:
    """Replace one weight; another that it was tied to stays as it is, as peft leaves it."""
    path, _, own = name.rpartition(".")
    setattr(model.get_submodule(path), own, weight)
