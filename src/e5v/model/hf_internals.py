"""Names of other libraries that are not part of their public interfaces, all in one file.

Those of processors and of bitsandbytes have a file each, beside this one.

what e5v needs -> the private name that gives it -> one function, and one test of it

Each function says with which versions it was seen to work: transformers 5.17 to 5.24 and torch 2.13
where it says nothing else. A fresh install without pinned versions (`make test-plain`) runs them
with the newest ones.
"""

import atexit
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming
from transformers.integrations.accelerate import load_offloaded_parameter
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.utils.hub import cached_file

# Name of a layer's argument for the key-value cache: `cache` since transformers 5.24.
CACHE_KEYWORDS = ("cache", "past_key_values")
HOOKED = "_old_forward"  # where accelerate keeps the `forward` that its hook calls


def softmax_gradient(gradient: Tensor, softmax: Tensor) -> Tensor:
    """Return the gradient at the input of a softmax over the last dimension, in one pass.

    As sums and products of public functions it takes three passes and twice the memory.
    """
    found: Tensor = torch.ops.aten._softmax_backward_data(gradient, softmax, -1, softmax.dtype)
    return found


def flash_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    ends: tuple[Tensor, Tensor],
    longest: tuple[int, int],
    **options: Any,
) -> Tensor:
    """Call FlashAttention's variable-length kernel, causally, on (tokens, heads, dim) tensors.

    `ends` and `longest` are of the queries and of the keys. `torch.nn.attention.varlen.varlen_attn`
    is the public function, with the same kernel; it takes grouped heads since torch 2.12, and 2.11
    is supported, too. Not run on a GPU yet.
    """
    window = options.pop("window", None)
    output: Tensor = torch.ops.aten._flash_attention_forward(
        query,
        key,
        value,
        *ends,
        *longest,
        0.0,  # dropout
        True,  # noqa: FBT003  causal
        False,  # noqa: FBT003  no debug mask
        window_size_left=None if window is None else window - 1,
        window_size_right=None if window is None else 0,
        **options,
    )[0]
    return output


@contextmanager
def attention_implementation(language_model: Any, name: str) -> Iterator[None]:
    """Let a model use a registered attention while the block runs.

    `set_attn_implementation` is public, but it walks over all modules, and this is done once per
    forward pass; nothing public returns the name that was set before.
    """
    config = language_model.config
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before


def takes_images(model_type: str) -> bool:
    """Check whether transformers has an image-text-to-text model of a type."""
    return model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


def find_model_class(auto_class: Any, config: Any) -> Any | None:
    """Return the class that an auto class would open a config with; None if it has none."""
    return auto_class._model_mapping.get(type(config), None)


def name_translator(model: Any) -> Callable[[str], str]:
    """Return a function from a weight's name in older versions to its name in an open model.

    Names of this version stay as they are. What was split or joined since is not translated.
    """
    renamings = [
        one
        for one in get_model_conversion_mapping(model, add_legacy=False)
        if isinstance(one, WeightRenaming)
    ]

    def translate(name: str) -> str:
        for renaming in renamings:
            name, _ = renaming.rename_source_key(name)
        return name

    return translate


def find_file(name: str, file: str) -> Path | None:
    """Return the path of a checkpoint's file, from a folder or the hub; None if it has none."""
    path = cached_file(name, file, _raise_exceptions_for_missing_entries=False)
    return Path(path) if path else None


def forget_tied_weights(model: Any) -> None:
    """Let a model without its head and embedding load: they are not tied to each other then."""
    model.all_tied_weights_keys = {}


def before_threads_end(act: Callable[[], None]) -> None:
    """Have something done when the program ends, before Python waits for threads that work.

    What `atexit` has comes after that. Seen with Python 3.11 to 3.13.
    """
    register = getattr(threading, "_register_atexit", atexit.register)
    register(act)


def mark_as_initialised(module: torch.nn.Module) -> None:
    """Keep transformers from initialising a module's missing parameters."""
    module.__dict__["_is_hf_initialized"] = True


def find_cache_keyword(layer: Any) -> str | None:
    """Return the name of a decoder layer's argument for a key-value cache, if known.

    The layer itself may pass it in `**kwargs`, so its attention is inspected.
    """
    takes = inspect.signature(layer.self_attn.forward).parameters
    return next((keyword for keyword in CACHE_KEYWORDS if keyword in takes), None)


def find_rotary(attention: Any) -> Callable[..., Any] | None:
    """Return the function with which a layer's attention applies rotary positions, if any."""
    return getattr(sys.modules[type(attention).__module__], "apply_rotary_pos_emb", None)


@contextmanager
def replaced_forward(layer: Any, forward: Callable[..., Any]) -> Iterator[None]:
    """Let a layer run another `forward`, without activation checkpointing, in the block.

    Checkpointing would drop the key-value cache.
    """
    checkpoints = getattr(layer, "gradient_checkpointing", False)
    layer.gradient_checkpointing = False
    hooked = layer.__dict__.get(HOOKED)
    setattr(layer, HOOKED if hooked else "forward", forward)
    try:
        yield
    finally:
        if hooked:
            setattr(layer, HOOKED, hooked)
        else:
            del layer.forward
        layer.gradient_checkpointing = checkpoints


def find_forward(layer: Any) -> Callable[..., Any]:
    """Return a layer's own `forward`, within accelerate's hook if it has one.

    Of a model that is divided over devices, the hook moves inputs and weights to the layer's
    device, then calls this. Seen with accelerate 1.15.
    """
    found: Callable[..., Any] = layer.__dict__.get(HOOKED) or layer.forward
    return found


def is_divided(model: Any) -> bool:
    """Check whether accelerate has divided a model over devices."""
    return hasattr(model, "_hf_hook")


def input_device(model: Any) -> torch.device:
    """Return the device of a model's inputs: of a divided one, that of accelerate's hook on it."""
    hook = getattr(model, "_hf_hook", None)
    place = getattr(hook, "execution_device", None)
    return model.device if place is None else torch.device(place)


def read_weight(model: Any, name: str, weight: Tensor) -> Tensor:
    """Return a weight of a state, and if its module has put it on a disk, what is there."""
    if not (weight.is_meta and is_divided(model)):
        return weight
    return load_offloaded_parameter(model, name).to(weight.dtype)


class FixedCache:
    """A key-value cache that ignores updates and returns the keys and values of all tokens."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self._keys, self._values = keys, values

    def update(self, *_args: Any, **_kwargs: Any) -> tuple[Tensor, Tensor]:
        """Return the keys and values."""
        return self._keys, self._values
