"""How a model is opened, without importing torch.

keyword arguments of `load` -> Opening, with a default for each
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

from e5v.model.backbones import Tiling

DTypeName = Literal["auto", "float32", "bfloat16", "float16"]


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
    """

    device: str | None = None
    dtype: DTypeName = "auto"
    trust_remote_code: bool = False
    tiling: Tiling = "correct"
    recipe: str | None = None
    adapter: str | Path | None = None


class WeightOptions(TypedDict, total=False):
    """The fields of `Opening` that training and use share, on any device."""

    dtype: DTypeName
    trust_remote_code: bool
    tiling: Tiling


class ModelOptions(WeightOptions, total=False):
    """The fields of `Opening` that do not say where the model runs, as keyword arguments."""

    recipe: str | None
    adapter: str | Path | None


class BaseOptions(WeightOptions, total=False):
    """The fields of `Opening` but recipe and adapter, which training has none of."""

    device: str | None


class OpenOptions(ModelOptions, BaseOptions, total=False):
    """The fields of `Opening`, as keyword arguments."""


@dataclass(frozen=True)
class Order:
    """A model that another process opens: its name, read-out, and the fields of `Opening`."""

    name: str
    readout: str
    options: OpenOptions
