"""Where in the language model the vector is read.

    last         the last layer's state, after the final norm: the paper's, and what is served
    before-mlp   the same without what the last layer's MLP adds (FreeRet, arXiv 2509.24621)
    k            the state after k layers, as `hidden_states[k]` of the model's own forward pass

Layers above the one that is read are not computed.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from e5v.errors import UsageError


def check_readout(readout: str, layers: int) -> None:
    """Raise `UsageError` unless a model of so many layers can be read there."""
    if readout in {"last", "before-mlp"}:
        return
    if not re.fullmatch("[0-9]+", readout) or not 1 <= int(readout) < layers:
        raise UsageError(f"readout is {readout}; expected last, before-mlp or 1 to {layers - 1}")


@contextmanager
def read_at(language_model: Any, readout: str) -> Iterator[None]:
    """Make a language model end where it is read, while the block runs."""
    if readout == "last":
        yield
    elif readout == "before-mlp":
        with _silent(language_model.layers[-1].mlp):
            yield
    else:
        layers, norm = language_model.layers, language_model.norm
        language_model.layers, language_model.norm = layers[: int(readout)], nn.Identity()
        try:
            yield
        finally:
            language_model.layers, language_model.norm = layers, norm


@contextmanager
def _silent(mlp: Any) -> Iterator[None]:
    def nothing(states: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
        return torch.zeros_like(states)

    mlp.forward = nothing
    try:
        yield
    finally:
        del mlp.forward
