"""How a model is opened, without importing torch.

keyword arguments of `load` -> Opening, with a default for each
"""

from dataclasses import dataclass
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
    """

    device: str | None = None
    dtype: DTypeName = "auto"
    trust_remote_code: bool = False
    tiling: Tiling = "correct"
    recipe: str | None = None


class ModelOptions(TypedDict, total=False):
    """The fields of `Opening` that do not say where the model runs, as keyword arguments."""

    dtype: DTypeName
    trust_remote_code: bool
    tiling: Tiling
    recipe: str | None


class OpenOptions(ModelOptions, total=False):
    """The fields of `Opening`, as keyword arguments."""

    device: str | None


@dataclass(frozen=True)
class Order:
    """A model that another process opens: its name, read-out, and the fields of `Opening`."""

    name: str
    readout: str
    options: OpenOptions
