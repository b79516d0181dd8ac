"""A 16-byte digest of everything an embedder's vectors depend on.

weights + tokenizer + image processing and tiling + turn and recipe + dtype + read-out -> digest

Vectors from equal digests are comparable: caches and indexes store the digest. It does not depend
on the path of the model, nor on the prompt, which callers must add.
"""

import hashlib
import json
from typing import Any

import torch
from torch import Tensor

from e5v.model.hf_internals import read_weight
from e5v.model.loading import Loaded
from e5v.model.locating import absolute_name
from e5v.model.recipes_llava import E5_V
from e5v.model.recognising import kept_recipe
from e5v.model.rendering import chat_template
from e5v.model.torchao_internals import list_plain

PRIME = 2_147_483_647
CHUNK = 2**22  # values summed at once


def fingerprint(loaded: Loaded, readout: str = "last") -> str:
    """Return the digest of an open model, as 32 hexadecimal digits.

    Of a model that an engine runs, it is what `e5v.model.engine_encoder` found it to be.
    """
    if loaded.engine_digest:
        return loaded.engine_digest
    state = hashlib.blake2b(digest_size=16)
    for name, given in sorted(loaded.model.state_dict().items()):
        for part, weight in list_plain(name, read_weight(loaded.model, name, given)):
            read = f"{part} {weight.dtype} {tuple(weight.shape)} {_checksum(weight)}\n"
            state.update(read.encode())
    _add_settings(state, loaded, readout)
    return state.hexdigest()


def how_opened(loaded: Loaded) -> dict[str, Any]:
    """Return the options that a model's vectors depend on, by name (`e5v.model.opening.KEPT`)."""
    return {
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "tiling": loaded.tiling,
        "recipe": kept_recipe(loaded),
        "adapter": absolute_name(loaded.adapter) if loaded.adapter else None,
        "image_tokens": loaded.image_tokens,
        "weights": loaded.weights,
    }


def engine_fingerprint(loaded: Loaded, name: str) -> str:
    """Return the digest of a model without its weights, which only an engine of that name has.

    It never equals that of a model with weights: nobody could say that they are the same.
    """
    state = hashlib.blake2b(f"engine {name}\n".encode(), digest_size=16)
    for place, weight in sorted(loaded.model.state_dict().items()):
        state.update(f"{place} {tuple(weight.shape)}\n".encode())
    _add_settings(state, loaded, "last")
    return state.hexdigest()


def _add_settings(state: "hashlib.blake2b", loaded: Loaded, readout: str) -> None:
    """Add tokenizer, image processing, prompt, dtype and read-out to a digest."""
    processor = loaded.processor
    settings: dict[str, object] = {
        "images": _drop_types(processor.image_processor.to_dict()),
        "template": None if loaded.turn else chat_template(processor),
        "turn": str(loaded.turn),
        "dtype": str(loaded.model.dtype),
        "readout": readout,
    }
    if loaded.tiling != "correct":  # left out of the usual one, so that stored digests stay valid
        settings["tiling"] = loaded.tiling
    if moved := loaded.recipe.moved_from(E5_V):  # likewise
        settings["recipe"] = moved
    if loaded.image_budget and loaded.image_budget.binds:
        settings["image_tokens"] = loaded.image_budget.most
    state.update(json.dumps(settings, sort_keys=True, default=str).encode())
    state.update(processor.tokenizer.backend_tokenizer.to_str().encode())


def _drop_types(settings: dict[str, object]) -> dict[str, object]:
    """Drop keys that name classes only, not the processing."""
    return {key: value for key, value in settings.items() if not key.endswith("_type")}


def _checksum(weight: Tensor) -> int:
    """Checksum the bits of a tensor, weighted by position, on the tensor's own device."""
    bits = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[weight.element_size()]
    values = weight.detach().contiguous().view(-1).view(bits)
    total = 0
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK].long()
        places = torch.arange(1, len(part) + 1, device=part.device)
        total = (total * 31 + int((part * (places % 65_521)).sum())) % PRIME
    return total
