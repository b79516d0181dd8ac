"""Adapters that peft wrote, and what peft itself makes of them.

checkpoint -> LoRA on every linear layer of its language model -> adapter folder, merged checkpoint
"""

import json
import warnings
from pathlib import Path
from shutil import copytree
from typing import Any

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

LINEAR = "q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj"
WEIGHTS = "adapter_model.safetensors"


def write_adapter(folder: Path, checkpoint: Path, merged: Path | None = None, **more: Any) -> Path:
    """Write a random adapter for the language model of a checkpoint into `folder`.

    `merged` gets the checkpoint that peft and transformers make of both; `more` goes to LoraConfig.
    """
    model = transformers.AutoModelForImageTextToText.from_pretrained(checkpoint)
    names = f".*language_model.*\\.({LINEAR})|.*text_model.*\\.({LINEAR})"
    config = peft.LoraConfig(**{"r": 4, "lora_alpha": 6, "target_modules": names, **more})
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        tuned: Any = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    tuned.save_pretrained(folder, save_embedding_layers=False)
    if merged:
        copytree(checkpoint, merged)
        tuned.merge_and_unload().save_pretrained(merged)
    return folder


def edit_weights(adapter: Path, edit: Any) -> Path:
    """Write an adapter's tensors anew, each by `edit(name, tensor) -> (name, tensor)`."""
    tensors = dict(edit(*pair) for pair in load_file(adapter / WEIGHTS).items())
    save_file(tensors, adapter / WEIGHTS, {"format": "pt"})
    return adapter


def edit_config(adapter: Path, **fields: Any) -> Path:
    """Write an adapter's config anew with other fields."""
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return adapter
