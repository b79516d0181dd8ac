"""Where the LoRA goes, and that its files open elsewhere."""

import json
import socket
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from peft import PeftModel
from transformers import AutoModelForImageTextToText

from e5v.errors import ModelError
from e5v.model.loading import Loaded
from e5v.training.adapter import (
    CONFIG,
    WEIGHTS,
    adapter_files,
    add_adapter,
    restore_adapter,
    trained,
)
from e5v.training.recipe import Adapter
from tests.families import FAMILIES

Language = Callable[[str], Loaded]
Checkpoints = Callable[[str], Path]
SMALL = Adapter(rank=2, alpha=4, dropout=0.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_linear_layer_but_the_head_is_adapted(family: str, language: Language) -> None:
    """An adapter on half of the layers, on the head, or on nothing."""
    loaded = language(family)
    linear = [m for m in loaded.language_model.modules() if isinstance(m, torch.nn.Linear)]
    add_adapter(loaded, SMALL, seed=0)
    assert len(trained(loaded)) == 2 * len(linear)
    assert not isinstance(loaded.model.get_output_embeddings(), torch.nn.ModuleDict)
    names = [name for name, weight in loaded.model.named_parameters() if weight.requires_grad]
    assert all("lora_" in name and "lm_head" not in name for name in names)


def test_saving_and_restoring_ask_nobody(
    language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub asked at every save for a model named "nano-base", with alarming warnings."""
    loaded = replace(language("llava_15"), name="nano-base")  # no folder, and no model of the hub
    config = add_adapter(loaded, SMALL, seed=0)

    def refuse(*_: object) -> None:
        raise AssertionError("the network is used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        files = adapter_files(loaded, config)
        restore_adapter(loaded, files[WEIGHTS])
    saved = safetensors.torch.load(files[WEIGHTS])
    assert len(saved) == len(trained(loaded))
    assert all("lora_" in name for name in saved)
    assert json.loads(files[CONFIG])["base_model_name_or_path"] == "nano-base"


def test_seed_draws_the_first_weights(language: Language) -> None:
    """A run that cannot be repeated."""
    first, same, other = (language("llava_15") for _ in range(3))
    for loaded, seed in ((first, 1), (same, 1), (other, 2)):
        add_adapter(loaded, SMALL, seed)
    pairs = list(zip(trained(first), trained(same), trained(other), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft's own
def test_peft_opens_the_files_on_the_whole_model(
    language: Language, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """An adapter that peft puts on the vision tower as well, or silently nowhere."""
    loaded = language("llava_next_llama3")
    config = add_adapter(loaded, SMALL, seed=0)
    with torch.no_grad():
        for weight in trained(loaded):
            weight.normal_(0, 0.1)
    for name, content in adapter_files(loaded, config).items():
        (tmp_path / name).write_bytes(content)
    whole: Any = AutoModelForImageTextToText.from_pretrained(
        checkpoints("llava_next_llama3"), dtype=torch.float32
    )
    adapted: Any = PeftModel.from_pretrained(whole, tmp_path)
    names = [name for name, _ in adapted.named_parameters() if "lora_" in name]
    assert len(names) == len(trained(loaded))
    assert not [name for name in names if "vision" in name or "projector" in name]
    ids = torch.tensor([[3, 4, 5, 6]])
    with torch.no_grad():
        got = adapted.base_model.model.get_decoder()(input_ids=ids).last_hidden_state
        want = loaded.language_model(input_ids=ids).last_hidden_state
    assert torch.allclose(got, want, atol=1e-6)


def test_files_restore_the_adapter(language: Language) -> None:
    """A resumed run that starts from other weights."""
    loaded, other = language("llava_15"), language("llava_15")
    config = add_adapter(loaded, SMALL, seed=0)
    with torch.no_grad():
        for weight in trained(loaded):
            weight.normal_()
    add_adapter(other, SMALL, seed=5)
    restore_adapter(other, adapter_files(loaded, config)[WEIGHTS])
    pairs = zip(trained(loaded), trained(other), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_files_of_another_model_are_refused(language: Language) -> None:
    """Weights that are restored as far as they fit."""
    loaded, other = language("llava_15"), language("qwen2_vl")
    config = add_adapter(loaded, SMALL, seed=0)
    add_adapter(other, SMALL, seed=0)
    with pytest.raises(ModelError, match="belongs to another model"):
        restore_adapter(other, adapter_files(loaded, config)[WEIGHTS])
