"""What tells one embedder from another: whatever its vectors depend on, in 16 bytes.

weights + tokenizer + image processing + turn + dtype + read-out -> digest

Equal digests mean vectors that may be compared and kept: caches and indexes store it. It does not
depend on where the model lies. The prompt is the caller's to add.
"""

import hashlib
import json
from typing import Any

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
    told = {
        "images": _plain(processor.image_processor.to_dict()),
        "template": None if loaded.turn else chat_template(processor),
        "turn": str(loaded.turn),
        "dtype": str(loaded.model.dtype),
        "readout": readout,
    }
    state.update(json.dumps(told, sort_keys=True, default=str).encode())
    state.update(processor.tokenizer.backend_tokenizer.to_str().encode())
    return state.hexdigest()


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Leave out what says by whom a file was written, and not what is done."""
    return {key: value for key, value in settings.items() if not key.endswith("_type")}


def _checksum(weight: Tensor) -> int:
    """Sum the bits of a tensor, each value weighed by its place; on the tensor's own device."""
    bits = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[weight.element_size()]
    values = weight.detach().contiguous().view(-1).view(bits)
    total = 0
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK].long()
        places = torch.arange(1, len(part) + 1, device=part.device)
        total = (total * 31 + int((part * (places % 65_521)).sum())) % PRIME
    return total
