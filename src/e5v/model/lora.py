"""Read a LoRA or DoRA adapter in peft's format, with the weights that were trained in full.

adapter_config.json -> its kind -> adapter_model.safetensors | .bin -> Lora: path -> LowRank
                                                                             -> whole weights
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from e5v.errors import ModelError, first_line
from e5v.model.adapters import read_config
from e5v.model.locating import ADAPTER_CONFIG as CONFIG

WEIGHTS, PICKLED = "adapter_model.safetensors", "adapter_model.bin"
START = "base_model.model."  # of every key in peft's files
KEY = re.compile(
    r"(?P<path>.+)\.lora_((?P<side>[AB])(\.default)?\.weight"
    r"|(?P<magnitude>magnitude_vector)(\.default)?(\.weight)?)"
)

# Settings that make an adapter more than LoRA or DoRA; each must be absent or false.
MORE = (
    "use_qalora",
    "use_bdlora",
    "lora_bias",
    "fan_in_fan_out",
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
class LowRank:
    """What is added to one module's weight W: `scale` B A, of A (r, in, ...) and B (out, r, ...).

    With DoRA, `magnitude` (out) are the norms of the rows of the sum.
    """

    scale: float
    a: Tensor
    b: Tensor
    magnitude: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of B A, which is that of the module's weight."""
        return len(self.b), *self.a.shape[1:]

    def added_to(self, weight: Tensor) -> Tensor:
        """Return W + scale B A in the dtype of W, computed in float32.

        With DoRA, its rows have the norms `magnitude` (arXiv 2402.09353, equation 5).
        """
        a, b = (side.to(weight.device, torch.float32).flatten(1) for side in (self.a, self.b))
        rows = weight.float().flatten(1) + self.scale * (b @ a)
        if self.magnitude is not None:
            magnitude = self.magnitude.to(weight.device, torch.float32)
            rows *= (magnitude / torch.linalg.norm(rows, dim=1)).unsqueeze(1)
        return rows.view(weight.shape).to(weight.dtype)


@dataclass(frozen=True)
class Lora:
    """What an adapter adds to each module, by its path in the model that was trained.

    `saved` are weights that were trained in full, by their names in that model, whose name or path
    is `base`, where it is known.
    """

    modules: Mapping[str, LowRank]
    saved: Mapping[str, Tensor] = field(default_factory=dict)
    base: str = ""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the weights that it changes, by their names in the model of training."""
        added = {f"{path}.weight": module.shape for path, module in self.modules.items()}
        return added | {name: tuple(tensor.shape) for name, tensor in self.saved.items()}

    def changed(self, name: str, weight: Tensor) -> Tensor:
        """Return the weight of that name as it is with the adapter, in its dtype."""
        if name in self.saved:
            return self.saved[name].to(weight.device, weight.dtype, copy=True)
        return self.modules[name.removesuffix(".weight")].added_to(weight)


def open_lora(folder: Path) -> Lora:
    """Read an adapter and check that it is LoRA or DoRA, beside weights that were trained in full.

    Raises:
        ModelError: it is of another type, incomplete, or all zeros.
    """
    config = read_config(folder / CONFIG)
    _check_kind(folder, config)
    tensors = _read_tensors(folder)
    _check_saved(folder, config, tensors)
    found = {key: KEY.fullmatch(key) for key in tensors}
    saved = {key: tensors[key] for key, one in found.items() if not one}
    if strange := [key for key in saved if ".lora_" in key]:
        raise ModelError(
            f"{folder} contains {strange[0]}; expected LoRA and DoRA of linear layers, and whole "
            "weights"
        )
    parts: dict[str, dict[str, Tensor]] = {}
    for key, one in found.items():
        if one:
            parts.setdefault(one["path"], {})[one["side"] or "magnitude"] = tensors[key]
    modules = {path: _make_module(folder, config, path, own) for path, own in parts.items()}
    if not any(module.b.any() for module in modules.values()):
        raise ModelError(f"{folder} is untrained: every B is zero; train it for at least one step")
    return Lora(modules, saved, config.get("base_model_name_or_path") or "")


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
            f"{folder} is more than LoRA or DoRA ({settings}), and e5v takes no other kind; "
            "merge it with peft's merge_and_unload"
        )
    for key in ("r", "lora_alpha"):
        _check_above_0(folder, key, config.get(key))
    for key in ("rank_pattern", "alpha_pattern"):
        for pattern, value in (config.get(key) or {}).items():
            _check_above_0(folder, f"{key} {pattern}", value)


def _check_above_0(folder: Path, name: str, value: object) -> None:
    if not isinstance(value, int | float) or value <= 0:
        raise ModelError(f"{folder / CONFIG} has {name} {value}; expected a number above 0")


def _read_tensors(folder: Path) -> dict[str, Tensor]:
    """Read the tensors of an adapter, by their names in the model that was trained."""
    path = folder / WEIGHTS
    path = path if path.is_file() else folder / PICKLED
    if not path.is_file():
        raise ModelError(f"{folder} has no {WEIGHTS} and no {PICKLED}; download the whole adapter")
    try:
        if path.name == WEIGHTS:
            tensors = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        return {key.removeprefix(START): tensor for key, tensor in tensors.items()}
    except Exception as error:
        raise ModelError(f"{path} cannot be read: {first_line(error)}") from error


def _check_saved(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Check that there are weights of each module that was trained in full."""
    for module in config.get("modules_to_save") or ():
        if not any(f".{module}." in f".{key}" for key in tensors):
            raise ModelError(
                f"{folder} has modules_to_save {module}, but no weights of it; download the whole "
                "adapter"
            )


def _make_module(
    folder: Path, config: Mapping[str, Any], path: str, parts: Mapping[str, Tensor]
) -> LowRank:
    """Return what is added to the module at a path, of its A, B and DoRA's magnitude."""
    if not {"A", "B"} <= parts.keys():
        raise ModelError(f"{folder} has only one of A and B for {path}; download the whole adapter")
    a, b, magnitude = parts["A"], parts["B"], parts.get("magnitude")
    rank = _choose(config.get("rank_pattern"), path, config["r"])
    alpha = _choose(config.get("alpha_pattern"), path, config["lora_alpha"])
    fits = a.dim() == b.dim() > 1 and len(a) == b.shape[1] == rank
    if not fits or b[0].numel() != rank:
        raise ModelError(
            f"{folder}: {path} has A {tuple(a.shape)} and B {tuple(b.shape)}; "
            f"expected rank {rank}, from {CONFIG}"
        )
    if bool(config.get("use_dora")) != (magnitude is not None):
        there = "no magnitudes" if magnitude is None else "magnitudes"
        raise ModelError(
            f"{folder} has {there} for {path}, and use_dora {config.get('use_dora')} in {CONFIG}; "
            "expected magnitudes with DoRA only: download the whole adapter"
        )
    if magnitude is not None and magnitude.numel() != len(b):
        raise ModelError(
            f"{folder}: {path} has {magnitude.numel()} magnitudes; expected {len(b)}, one a row"
        )
    flat = None if magnitude is None else magnitude.flatten()
    return LowRank(alpha / (math.sqrt(rank) if config.get("use_rslora") else rank), a, b, flat)


def _choose(patterns: Mapping[str, float] | None, path: str, usual: float) -> float:
    """Return the value of the first pattern that a path ends with, as peft matches them."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", path):
            return value
    return usual
