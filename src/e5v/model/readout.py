"""Choose which hidden state of the language model is the vector.

    last         the last layer's state, after the final norm, as in the paper (default)
    before-mlp   the same without the output of the last layer's MLP (FreeRet, arXiv 2509.24621)
    k            the state after k layers: `hidden_states[k]` of the model's own forward pass

Later layers are not computed.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from e5v.errors import UsageError
from e5v.model.hf_internals import replaced_forward


def check_readout(readout: str, layers: int) -> None:
    """Raise `UsageError` unless a model with `layers` layers has this readout."""
    if readout in {"last", "before-mlp"}:
        return
    if not re.fullmatch("[0-9]+", readout) or not 1 <= int(readout) < layers:
        raise UsageError(f"readout is {readout}; expected last, before-mlp or 1 to {layers - 1}")


@contextmanager
def read_at(language_model: Any, readout: str) -> Iterator[None]:
    """Make a language model return the state at `readout` while the block runs."""
    if readout == "last":
        yield
    elif readout == "before-mlp":
        with _zero_output(language_model.layers[-1].mlp):
            yield
    else:
        layers, norm = language_model.layers, language_model.norm
        language_model.layers, language_model.norm = layers[: int(readout)], nn.Identity()
        try:
            yield
        finally:
            language_model.layers, language_model.norm = layers, norm


@contextmanager
def _zero_output(mlp: Any) -> Iterator[None]:
    def zeros(states: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
        return torch.zeros_like(states)

    with replaced_forward(mlp, zeros):
        yield
