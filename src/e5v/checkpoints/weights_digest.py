"""A digest of what a checkpoint computes, whatever version of a library wrote its files.

tensors by name + token ids of a few texts + chat template -> sha256
"""

import hashlib
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from e5v.checkpoints.tensors import open_weights

TEMPLATE = "chat_template.jinja"
TEXTS = (
    "Two dogs aren't running; 12,345 of them are.",
    " leading space, a\ttab,\nlines\n\n  and  spaces",
    "naïve café 日本語 🙂 <image> <|im_end|> and </s>",
    "def f(x): return x**2  # snake_case CamelCase",
)


def digest_of(folder: Path) -> str:
    """Return the digest of a checkpoint, 64 hexadecimal digits.

    It holds names, types, shapes and bits of the tensors, not the layout of their files; and what
    the tokenizer does, not how it is written down.

    Raises:
        ModelError: a file of weights is missing or truncated.
    """
    state = hashlib.sha256()
    weights = open_weights(folder)
    for name in sorted(weights.places):
        tensor = weights.tensor(name)
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        state.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    opened: Any = AutoTokenizer
    tokenizer = opened.from_pretrained(folder)
    state.update(f"{len(tokenizer)}\n{[tokenizer(text)['input_ids'] for text in TEXTS]}\n".encode())
    state.update((folder / TEMPLATE).read_bytes())
    return state.hexdigest()
