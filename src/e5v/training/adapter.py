"""The trainable weights: a LoRA on every linear layer of the language model, and the projector's.

language model -> names of its linear layers in the whole model -> LoRA injected in place
projector, if it is trained -> its own weights, in float32
adapter -> the two files that peft reads; they also load on the whole multimodal model

Layer names are those of the whole model and match the language model only: an adapter whose names
match the vision tower too, or nothing, is silently misplaced or ignored by other tools.
"""

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from e5v.errors import ModelError
from e5v.extras import imported
from e5v.model.bitsandbytes_internals import import_bitsandbytes
from e5v.model.loading import Loaded
from e5v.model.locating import ADAPTER_CONFIG
from e5v.model.lora import START
from e5v.model.lora import WEIGHTS as WEIGHTS
from e5v.model.partial import language_path
from e5v.model.projector import find_projector, projector_weights
from e5v.training.dropout import LoraDropout
from e5v.training.recipe import Adapter

CONFIG = ADAPTER_CONFIG


def add_adapter(loaded: Loaded, adapter: Adapter, seed: int) -> Any:
    """Inject a LoRA, initialised from `seed`, into a language model; return its peft config.

    Only the LoRA is trainable; it is kept in float32.

    Raises:
        ModelError: the language model has no linear layer.
    """
    path = language_path(loaded.model)
    kinds = {
        name.rpartition(".")[2]
        for name, module in loaded.language_model.named_modules()
        if isinstance(module, nn.Linear)
    }
    if not kinds:
        raise ModelError(f"{loaded.name} has no linear layer in its language model to adapt")
    layers = f"{re.escape(path)}\\..*\\.({'|'.join(sorted(kinds))})" if path else ".*"
    peft = _peft()
    config = peft.LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        target_modules=layers,
        base_model_name_or_path=loaded.name,
        inference_mode=False,
    )
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(config, loaded.model)
    for weight in trained(loaded):  # peft uses the model's dtype; bfloat16 loses small updates
        weight.data = weight.data.float()
    _replace_dropout(loaded, adapter.dropout)
    return config


def release_projector(loaded: Loaded) -> None:
    """Let the projector be trained, in float32."""
    for module in find_projector(loaded.model, loaded.backbone).values():
        module.float().requires_grad_()


def _replace_dropout(loaded: Loaded, rate: float) -> None:
    """Put our dropout before every LoRA instead of peft's, and of peft's cast to float32."""
    for layer in loaded.model.modules():
        if isinstance(layer, _peft().tuners.lora.LoraLayer):
            layer.cast_input_dtype_enabled = False
            for name in layer.lora_dropout:
                layer.lora_dropout[name] = LoraDropout(rate)


def trained(loaded: Loaded) -> list[nn.Parameter]:
    """Return the trainable weights, in the model's order."""
    return [weight for weight in loaded.model.parameters() if weight.requires_grad]


def trained_projector(loaded: Loaded) -> dict[str, nn.Parameter]:
    """Return the weights of the projector that are trained, by their names in the whole model."""
    weights = projector_weights(loaded.model, loaded.backbone)
    return {name: weight for name, weight in weights.items() if weight.requires_grad}


def set_training_mode(loaded: Loaded, *, recompute: bool) -> None:
    """Switch dropout on in the language model; the frozen vision tower stays as in use.

    `recompute` recomputes activations in the backward pass (activation checkpointing).
    """
    model = loaded.language_model
    model.train()
    for name in loaded.backbone.vision_within:
        if module := getattr(model, name):
            module.eval()
    if recompute:
        name = "activation_checkpointing_enable"  # what newer transformers call it
        enable = getattr(model, name, None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})


def adapter_files(loaded: Loaded, config: Any) -> Mapping[str, bytes]:
    """Return the adapter as peft writes it: file name -> content.

    A trained projector is what peft calls `modules_to_save`: their weights are in the file in full.
    """
    weights = {
        START + name: value.detach().cpu().contiguous() for name, value in _state(loaded).items()
    }
    settings: dict[str, Any] = config.to_dict() | {"inference_mode": True, "peft_type": "LORA"}
    if trained_projector(loaded):
        settings["modules_to_save"] = list(find_projector(loaded.model, loaded.backbone))
    lists = {k: sorted(value) if isinstance(value, set) else value for k, value in settings.items()}
    return {
        WEIGHTS: safetensors.torch.save(weights, {"format": "pt"}),
        CONFIG: (json.dumps(lists, indent=2, sort_keys=True, default=str) + "\n").encode(),
    }


def restore_adapter(loaded: Loaded, weights: bytes) -> None:
    """Load the weights of an adapter file into the injected adapter, and the trained projector.

    Raises:
        ModelError: the file's weights do not fit the adapter.
    """
    state = safetensors.torch.load(weights)
    renamed = {name.removeprefix(START): value for name, value in state.items()}
    if _shapes(renamed) != _shapes(_state(loaded)):
        raise ModelError("the checkpoint's adapter belongs to another model or recipe")
    with torch.no_grad():
        for name, weight in trained_projector(loaded).items():
            weight.copy_(renamed.pop(name))
    _peft().set_peft_model_state_dict(loaded.model, renamed)


def _state(loaded: Loaded) -> dict[str, Tensor]:
    lora = _peft().get_peft_model_state_dict(loaded.model, save_embedding_layers=False)
    return {**lora, **trained_projector(loaded)}


def _peft() -> Any:
    """Import peft without the warnings of bitsandbytes, which it imports where installed."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    import_bitsandbytes()
    with imported("training"):
        import peft

    return peft


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}
