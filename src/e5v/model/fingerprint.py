"""A 16-byte digest of everything an embedder's vectors depend on.

weights + tokenizer + image processing and tiling + turn + dtype + read-out -> digest

Vectors from equal digests are comparable: caches and indexes store the digest. It does not depend
on the path of the model, nor on the prompt, which callers must add.
"""

import hashlib
import json

import torch
from torch import Tensor

from e5v.model.loading import Loaded
from e5v.model.rendering import chat_template

PRIME = 2_147_483_647
CHUNK = 2**22  # values summed at once


def fingerprint(loaded: Loaded, readout: str = "last") -> str:
    """Return the digest of an open model, as 32 hexadecimal digits."""
    state = hashlib.blake2b(digest_size=16)
    for name, weight in sorted(loaded.model.state_dict().items()):
        state.update(f"{name} {weight.dtype} {tuple(weight.shape)} {_checksum(weight)}\n".encode())
    processor = loaded.processor
    settings = {
        "images": _drop_types(processor.image_processor.to_dict()),
        "template": None if loaded.turn else chat_template(processor),
        "turn": str(loaded.turn),
        "dtype": str(loaded.model.dtype),
        "readout": readout,
    }
    if loaded.tiling != "correct":  # left out of the usual one, so that stored digests stay valid
        settings["tiling"] = loaded.tiling
    state.update(json.dumps(settings, sort_keys=True, default=str).encode())
    state.update(processor.tokenizer.backend_tokenizer.to_str().encode())
    return state.hexdigest()


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
