"""Random weights that make a small model lively: model -> same model, every parameter redrawn.

Fresh transformers modules have std 0.02, unit norms and zero biases, which leaves every input with
nearly the same hidden state and hides whole classes of mistakes (a norm or bias left out).
"""

import json
import math
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

OFFSET_NORMS = ("Gemma3RMSNorm", "GemmaRMSNorm")  # these multiply by 1 + weight
LOOKING = ("q_proj", "k_proj")  # drawn larger, so that attention picks instead of averaging


def _redraw(path: str, module: nn.Module, parameter: nn.Parameter) -> None:
    noise = torch.randn(parameter.shape)
    kind = type(module).__name__
    if parameter.ndim == 1 and "norm" in kind.lower() and parameter is module.weight:
        centre = 0.0 if kind in OFFSET_NORMS else 1.0
        parameter.copy_(centre + 0.1 * noise)
    elif isinstance(module, nn.Embedding):
        parameter.copy_(0.5 * noise / float(getattr(module, "embed_scale", 1.0)))
    elif parameter.ndim > 1:
        gain = 1.4 if path.endswith(LOOKING) else 1.0
        parameter.copy_(noise * (gain / math.sqrt(parameter[0].numel())))
    else:
        parameter.copy_(0.1 * noise)


@torch.no_grad()
def enliven(model: nn.Module, *, seed: int) -> None:
    """Redraw every parameter of `model` in place; the same seed gives the same weights."""
    torch.manual_seed(seed)
    for path, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            _redraw(path, module, parameter)


def save(folder: Path, model: Any, processor: Any, tokenizer_class: str) -> None:
    """Enliven `model` and write it with its processor as one checkpoint folder.

    `tokenizer_class` is the name that the family's hub repositories give their tokenizer; which
    class AutoTokenizer opens depends on it.
    """
    enliven(model, seed=zlib.crc32(type(model).__name__.encode()))
    model.float().eval().save_pretrained(folder)
    processor.save_pretrained(folder)

    config_file = folder / "tokenizer_config.json"
    config = json.loads(config_file.read_text())
    config_file.write_text(json.dumps(config | {"tokenizer_class": tokenizer_class}, indent=2))
