"""Store a model's matrices in fewer bits: which library, and what transformers is told.

"full" | "8bit" | "4bit" -> the library, checked before anything is loaded
                         -> arguments of from_pretrained -> matrices of linear layers, quantised

Only the language model's layers are: embeddings, head and the vision tower stay in the dtype, in
which everything is computed.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
import transformers
from torch import nn

from e5v.errors import ModelError, UsageError
from e5v.extras import EXTRAS, need
from e5v.model.bitsandbytes_internals import import_bitsandbytes
from e5v.model.opening import Weights


def check_weights(name: str, weights: str, place: torch.device, *, adapted: bool) -> None:
    """Check that weights can be stored in a way on a device, without importing the library for it.

    Raises:
        UsageError: the way is unknown.
        MissingExtraError: its library is not installed.
        ModelError: the model is `adapted`: an adapter would be merged into rounded weights.
    """
    if weights != "full" and weights not in QUANTISED:
        known = ", ".join(("full", *QUANTISED))
        raise UsageError(f'weights is "{weights}"; expected {known}', argument="weights")
    if weights == "full":
        return
    extra = "int8" if _is_torchao(weights, place) else "qlora"
    need(f"weights {weights}", *EXTRAS[extra], "accelerate", extra=extra)
    if adapted:
        raise ModelError(
            f"{name} has an adapter, which is merged into full weights only, not into {weights}; "
            "take full weights, or a folder in which they are merged",
            argument="weights",
        )


def load_options(
    weights: Weights, dtype: torch.dtype, place: torch.device, skeleton: Callable[[], Any]
) -> dict[str, Any]:
    """Return the arguments of `from_pretrained` that store weights in a way, on a device.

    Computed is in `dtype`. `skeleton` makes the model without its weights.
    """
    if weights == "full":
        return {"dtype": dtype}
    make = _eight_bits_of_torchao if _is_torchao(weights, place) else QUANTISED[weights]
    config = make(dtype, list(_list_kept(skeleton())))
    return {"dtype": dtype, "quantization_config": config, "device_map": {"": place}}


def _is_torchao(weights: str, place: torch.device) -> bool:
    """Return whether torchao rounds the weights: where it is faster than bitsandbytes, and closer.

    See `benchmarks/weights.py`.
    """
    return weights == "8bit" and place.type == "cpu"


def _list_kept(model: Any) -> Iterator[str]:
    """List the paths of matrices that stay as they are."""
    layers = set(model.get_decoder().layers.modules())
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear) and module not in layers:
            yield path


def _eight_bits_of_torchao(dtype: torch.dtype, kept: list[str]) -> Any:
    """int8, one scale for each row of a matrix; tokens stay in the dtype."""
    del dtype
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library about itself
        from torchao.quantization import Int8WeightOnlyConfig

    make: Any = transformers.TorchAoConfig
    return make(Int8WeightOnlyConfig(), modules_to_not_convert=kept)


def _eight_bits(dtype: torch.dtype, kept: list[str]) -> Any:
    """int8, one scale for each row of a matrix and for each token (LLM.int8, arXiv 2208.07339).

    Without the columns of outliers that the paper keeps in 16 bits: which columns they are depends
    on the whole batch, and so would the vector of an item.
    """
    del dtype
    return _bitsandbytes(load_in_8bit=True, llm_int8_threshold=0.0, llm_int8_skip_modules=kept)


def _four_bits(dtype: torch.dtype, kept: list[str]) -> Any:
    """NF4 with double quantisation, as QLoRA has it (arXiv 2305.14314)."""
    return _bitsandbytes(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=kept,
    )


def _bitsandbytes(**options: Any) -> Any:
    """Import bitsandbytes, and return its configuration for transformers."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # tells of every cast
    import_bitsandbytes()
    make: Any = transformers.BitsAndBytesConfig
    return make(**options)


QUANTISED: dict[str, Callable[[torch.dtype, list[str]], Any]] = {
    "8bit": _eight_bits,
    "4bit": _four_bits,
}
BITS = {"8bit": 8, "4bit": 4}
