"""An adapter's folder: what it adds, and what in it is more than that or less."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from e5v.errors import ModelError, UsageError
from e5v.model.lora import find_run, open_lora
from tests.adapters import edit_config, edit_weights

WEIGHTS = "adapter_model.safetensors"
PATH = "model.layers.0.self_attn.q_proj"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """Give an adapter of rank 2 for two modules, as peft writes it."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 8, "bias": "none"}
    config |= {"init_lora_weights": True, "base_model_name_or_path": "some/model"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    tensors = {}
    for path in (PATH, "model.layers.0.mlp.up_proj"):
        tensors[f"base_model.model.{path}.lora_A.weight"] = torch.randn(2, 5)
        tensors[f"base_model.model.{path}.lora_B.weight"] = torch.randn(3, 2)
    save_file(tensors, folder / WEIGHTS)
    return folder


def test_what_is_added(adapter: Path) -> None:
    """A matrix transposed, a scale forgotten, or a type that grows."""
    lora = open_lora(adapter)
    assert lora.a.keys() == lora.b.keys() == {PATH, "model.layers.0.mlp.up_proj"}
    assert lora.shape(PATH) == (3, 5)
    tensors = load_file(adapter / WEIGHTS)
    a, b = (tensors[f"base_model.model.{PATH}.lora_{side}.weight"] for side in "AB")
    weight = torch.randn(3, 5).half()
    wanted = (weight.float() + 4 * b @ a).half()
    assert torch.equal(lora.added_to(PATH, weight), wanted)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"use_dora": True}, r"is not plain LoRA \(use_dora True\)"),
        ({"rank_pattern": {"q_proj": 8}}, "rank_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "lora_only"}, "bias lora_only"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights pissa"),
        ({"peft_type": "IA3"}, "type IA3; expected LORA"),
        ({"r": 8}, r"expected rank 8, from adapter_config\.json"),
        ({"lora_alpha": None}, "has lora_alpha None"),
    ],
)
def test_a_config_that_is_more_is_refused(adapter: Path, fields: dict[str, Any], told: str) -> None:
    """A kind of adapter whose other half would be dropped without a word."""
    with pytest.raises(ModelError, match=told):
        open_lora(edit_config(adapter, **fields))


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda k, v: (k, torch.zeros_like(v) if "lora_B" in k else v), "every B is zero"),
        (lambda k, v: (k.replace("up_proj.lora_A", "gate.lora_A"), v), "only one of A and B"),
        (lambda k, v: (k.replace("A.weight", "magnitude_vector"), v), "LoRA matrices of linear"),
        (lambda k, v: (k, v[0].contiguous()), r"has A \(5,\) and B \(2,\)"),
    ],
)
def test_tensors_that_are_more_or_less_are_refused(adapter: Path, edit: Any, told: str) -> None:
    """Half an adapter, one before its first step, and weights that nobody would merge."""
    with pytest.raises(ModelError, match=told):
        open_lora(edit_weights(adapter, edit))


def test_files_that_are_missing_or_broken(adapter: Path, tmp_path: Path) -> None:
    """A traceback for a mistyped folder, or for one that was half copied."""
    with pytest.raises(UsageError, match=r"has no adapter; expected adapter_config\.json"):
        find_run(tmp_path / "mistyped")
    (adapter / WEIGHTS).write_bytes(b"half")
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors cannot be read"):
        open_lora(adapter)
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    with pytest.raises(ModelError, match="save the adapter as safetensors"):
        open_lora(adapter)
    (adapter / "adapter_config.json").write_text("[1")
    with pytest.raises(UsageError, match="is not a JSON object"):
        open_lora(adapter)


def test_a_run_knows_its_model(adapter: Path) -> None:
    """A recipe that is overlooked, or an adapter whose own base is."""
    assert find_run(adapter).source == "some/model"
    run = adapter.parent
    assert find_run(run).adapter == adapter
    (run / "recipe.json").write_text(json.dumps({"model": "other/model", "steps": 3}))
    found = find_run(run)
    assert (found.source, found.recipe["steps"]) == ("other/model", 3)
    (run / "recipe.json").unlink()
    edit_config(adapter, base_model_name_or_path=None)
    assert find_run(run).source is None
