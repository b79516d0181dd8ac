"""How a model is opened, without importing torch.

keyword arguments of `load` -> Opening, with a default for each
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict

from e5v.model.backbones import Tiling

DTypeName = Literal["auto", "float32", "bfloat16", "float16"]
Weights = Literal["full", "8bit", "4bit"]
DeviceMap: TypeAlias = Literal["auto"] | Mapping[str, str | int]


@dataclass(frozen=True)
class Opening:
    """How a model is opened.

    Args:
        device: "cpu", "cuda", "mps", ...; by default the fastest available.
        dtype: number format of the computation; "auto" is bfloat16 where hardware is fast at it.
        trust_remote_code: run Python code that comes with the checkpoint.
        tiling: how LLaVA-NeXT cuts an image into tiles: "correct", or "transformers-4.41", with
            the errors of the library that the paper's code pins (`e5v.model.tiling`).
        recipe: how the model is asked, by name (`e5v.model.recipes`); by default, the one that it
            is known for, or E5-V's.
        adapter: a folder or hub id of a LoRA or DoRA adapter, which is merged into the open model.
        image_tokens: the most tokens of an image (`e5v.model.image_budget`); None for the model's
            own number.
        weights: how matrices are stored: "full" in the dtype, "8bit" or "4bit"
            (`e5v.model.quantised`).
        device_map: divides one model over several devices instead of `device`: "auto", or the
            device of each module by its name, as transformers has it (`e5v.model.dividing`).
    """

    device: str | None = None
    dtype: DTypeName = "auto"
    trust_remote_code: bool = False
    tiling: Tiling = "correct"
    recipe: str | None = None
    adapter: str | Path | None = None
    image_tokens: int | None = None
    weights: Weights = "full"
    device_map: DeviceMap | None = None

    def find_changed(self, names: Iterable[str]) -> str | None:
        """Return the first of some options that has not its usual value, if any."""
        changed = (name for name in names if getattr(self, name) != getattr(Opening, name))
        return next(changed, None)


# What vectors depend on: it is stored with them, and they are compared with others made so.
KEPT = ("dtype", "tiling", "recipe", "adapter", "image_tokens", "weights")


def kept_options(record: object) -> dict[str, Any]:
    """Return the options that vectors depend on, of a record that has them."""
    return {name: getattr(record, name) for name in KEPT}


def follow(given: object, there: object) -> dict[str, Any]:
    """Return the options that vectors depend on: as given, or if not given, as they are there."""
    return {
        name: getattr(there, name) if value == getattr(Opening, name) else value
        for name, value in kept_options(given).items()
    }


def drop_usual(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a stored record without options that have their usual value.

    Versions that do not know an option can then read the record.
    """
    return {
        name: value
        for name, value in fields.items()
        if name not in KEPT or value != getattr(Opening, name)
    }


class WeightOptions(TypedDict, total=False):
    """The fields of `Opening` that training and use share, on any device."""

    dtype: DTypeName
    trust_remote_code: bool
    tiling: Tiling


class ModelOptions(WeightOptions, total=False):
    """The fields of `Opening` but the device, as keyword arguments."""

    recipe: str | None
    adapter: str | Path | None
    image_tokens: int | None
    weights: Weights
    device_map: DeviceMap | None


class BaseOptions(WeightOptions, total=False):
    """The fields of `Opening` that training takes, as keyword arguments."""

    device: str | None


class OpenOptions(ModelOptions, BaseOptions, total=False):
    """The fields of `Opening`, as keyword arguments."""


@dataclass(frozen=True)
class Order:
    """A model that another process opens: its name, read-out, and the fields of `Opening`."""

    name: str
    readout: str
    options: OpenOptions
