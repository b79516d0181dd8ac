"""Read a LoRA adapter in peft's format, with the projector if that was trained, too.

run folder -> adapter_config.json + adapter_model.safetensors -> checked -> Lora: path -> B A
                                                                         -> whole weights
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from e5v.errors import ModelError, UsageError, first_line
from e5v.model.backbones import find_backbone
from e5v.model.locating import ADAPTER_CONFIG as CONFIG
from e5v.model.locating import RECIPE
from e5v.model.partial import Part, language_path
from e5v.model.projector import projector_weights

WEIGHTS = "adapter_model.safetensors"
START = "base_model.model."  # of every key in peft's files
KEY = re.compile(r"base_model\.model\.(?P<path>.+)\.lora_(?P<side>[AB])\.weight")

# Settings that make an adapter more than W + scale B A; each must be absent or false.
MORE = (
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "lora_bias",
    "fan_in_fan_out",
    "rank_pattern",
    "alpha_pattern",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
)
PLAIN_STARTS = (True, False, None, "gaussian", "orthogonal", "eva")  # others change W


@dataclass(frozen=True)
class TrainedAdapter:
    """The adapter of a training run, with its recipe and base model, if known."""

    adapter: Path
    recipe: Mapping[str, Any]
    source: str | None


@dataclass(frozen=True)
class Lora:
    """The matrices A (r, in) and B (out, r) of every module, by its path in the trained model.

    `saved` are weights that were trained in full, by their names: those of peft's
    `modules_to_save`, which e5v writes for a projector.
    """

    scale: float
    a: Mapping[str, Tensor]
    b: Mapping[str, Tensor]
    saved: Mapping[str, Tensor] = field(default_factory=dict)

    def shape(self, path: str) -> tuple[int, ...]:
        """Return the shape of B A, which is that of the module's weight."""
        return len(self.b[path]), self.a[path].shape[1]

    def added_to(self, path: str, weight: Tensor) -> Tensor:
        """Return W + scale B A in the dtype of W, computed in float32."""
        addition = self.scale * (self.b[path].float() @ self.a[path].float())
        return (weight.float() + addition).to(weight.dtype)


def find_run(folder: Path) -> TrainedAdapter:
    """Find the adapter in a training run's folder, or in its own folder.

    Raises:
        UsageError: there is none, or one of the run's files is broken.
    """
    within = folder / "adapter"
    adapter = within if (within / CONFIG).is_file() else folder
    if not (adapter / CONFIG).is_file():
        raise UsageError(f"{folder} has no adapter; expected {CONFIG} or adapter/{CONFIG} in it")
    recipe = _read_json(folder / RECIPE) if (folder / RECIPE).is_file() else {}
    source = recipe.get("model") or _read_json(adapter / CONFIG).get("base_model_name_or_path")
    return TrainedAdapter(adapter, recipe, source)


def open_lora(folder: Path) -> Lora:
    """Read an adapter and check that it is plain LoRA, beside modules that were trained in full.

    Raises:
        ModelError: it is of another type, incomplete, or all zeros.
    """
    config = _read_json(folder / CONFIG)
    _check_kind(folder, config)
    if not (folder / WEIGHTS).is_file():
        raise ModelError(f"{folder} has no {WEIGHTS}; save the adapter as safetensors")
    try:
        tensors = load_file(folder / WEIGHTS)
    except Exception as error:
        raise ModelError(f"{folder / WEIGHTS} cannot be read: {first_line(error)}") from error
    saved = _take_saved(folder, tensors, config.get("modules_to_save") or ())
    sides = _split_sides(folder, tensors)
    _check_pairs(folder, sides, config["r"])
    root = math.sqrt(config["r"]) if config.get("use_rslora") else config["r"]
    return Lora(config["lora_alpha"] / root, sides["A"], sides["B"], saved)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} is not a JSON object: {first_line(error)}") from None
    return content


def _check_kind(folder: Path, config: Mapping[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise ModelError(f"{folder} is an adapter of type {config.get('peft_type')}; expected LORA")
    more = {key: config[key] for key in MORE if config.get(key)}
    if config.get("bias", "none") != "none":
        more["bias"] = config["bias"]
    if config.get("init_lora_weights") not in PLAIN_STARTS:
        more["init_lora_weights"] = config["init_lora_weights"]
    if more:
        settings = ", ".join(f"{key} {value}" for key, value in more.items())
        raise ModelError(
            f"{folder} is not plain LoRA ({settings}), and e5v merges no other kind; "
            "merge it with peft's merge_and_unload"
        )
    for key in ("r", "lora_alpha"):
        if not isinstance(config.get(key), (int, float)) or config[key] <= 0:
            raise ModelError(
                f"{folder / CONFIG} has {key} {config.get(key)}; expected a number above 0"
            )


def _take_saved(
    folder: Path, tensors: dict[str, Tensor], modules: Sequence[str]
) -> dict[str, Tensor]:
    """Take the weights of modules that were trained in full out of `tensors`."""
    taken: dict[str, Tensor] = {}
    for module in modules:
        own = re.compile(rf"{re.escape(START)}(?P<name>(.+\.)?{re.escape(module)}\..+)")
        found = {key: one["name"] for key in tensors if (one := own.fullmatch(key))}
        if not found:
            raise ModelError(
                f"{folder} has modules_to_save {module}, but no weights of it; download the whole "
                "adapter"
            )
        taken |= {name: tensors.pop(key) for key, name in found.items()}
    return taken


def _split_sides(folder: Path, tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    sides: dict[str, dict[str, Tensor]] = {"A": {}, "B": {}}
    for key, tensor in tensors.items():
        found = KEY.fullmatch(key)
        if not found:
            raise ModelError(
                f"{folder} contains {key}; expected only LoRA matrices of linear layers"
            )
        sides[found["side"]][found["path"]] = tensor
    return sides


def _check_pairs(folder: Path, sides: Mapping[str, Mapping[str, Tensor]], rank: int) -> None:
    a, b = sides["A"], sides["B"]
    alone = sorted(a.keys() ^ b.keys())
    if alone:
        raise ModelError(
            f"{folder} has only one of A and B for {alone[0]}; download the whole adapter"
        )
    for path in a:
        shapes = tuple(a[path].shape), tuple(b[path].shape)
        if tuple(map(len, shapes)) != (2, 2) or not shapes[0][0] == shapes[1][1] == rank:
            raise ModelError(
                f"{folder}: {path} has A {shapes[0]} and B {shapes[1]}; "
                f"expected rank {rank}, from {CONFIG}"
            )
    if not any(tensor.any() for tensor in b.values()):
        raise ModelError(f"{folder} is untrained: every B is zero; train it for at least one step")


def merge_into_model(adapter: Path, model: Any, part: Part = "whole") -> None:
    """Merge an adapter in peft's format into the open model that it was trained on.

    A model of which only a `part` is open gets what the adapter has for that part.

    Raises:
        ModelError: the adapter has other weights than LoRA on the language model and a projector.
    """
    lora = open_lora(adapter)
    with torch.no_grad():
        if part != "vision":
            _add_lora(lora, model)
        if part != "language":
            _replace_saved(adapter, lora, model)


def _add_lora(lora: Lora, model: Any) -> None:
    own = language_path(model)
    weights = dict(model.get_decoder().named_parameters())
    for path in lora.a:
        weight = weights[f"{path.removeprefix(f'{own}.')}.weight"]
        weight.copy_(lora.added_to(path, weight))


def _replace_saved(adapter: Path, lora: Lora, model: Any) -> None:
    known = projector_weights(model, find_backbone(model.config.model_type))
    for name, tensor in lora.saved.items():
        if name not in known or known[name].shape != tensor.shape:
            raise ModelError(
                f"{adapter} has {name} in full, which is no weight of this model's projector of "
                f"shape {tuple(tensor.shape)}; expected LoRA and a projector only"
            )
        known[name].copy_(tensor)
