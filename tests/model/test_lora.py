"""An adapter's folder: what it adds, and what in it is more than that or less."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from e5v.errors import ModelError, UsageError
from e5v.model.lora import open_lora
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
    assert lora.modules.keys() == {PATH, "model.layers.0.mlp.up_proj"}
    assert lora.shapes[f"{PATH}.weight"] == (3, 5)
    assert lora.base == "some/model"
    tensors = load_file(adapter / WEIGHTS)
    a, b = (tensors[f"base_model.model.{PATH}.lora_{side}.weight"] for side in "AB")
    weight = torch.randn(3, 5).half()
    wanted = (weight.float() + 4 * b @ a).half()
    assert torch.equal(lora.changed(f"{PATH}.weight", weight), wanted)


def test_rows_of_dora_have_their_magnitudes(adapter: Path) -> None:
    """Columns in the place of rows, or the norms of W alone."""
    tensors = load_file(adapter / WEIGHTS)
    magnitudes = {
        key.replace("lora_B.weight", "lora_magnitude_vector"): torch.rand(3) + 1
        for key in tensors
        if "lora_B" in key
    }
    save_file(tensors | magnitudes, adapter / WEIGHTS)
    with pytest.raises(ModelError, match=r"has magnitudes for .*, and use_dora None"):
        open_lora(adapter)
    lora = open_lora(edit_config(adapter, use_dora=True))
    changed = lora.changed(f"{PATH}.weight", weight := torch.randn(3, 5))
    expected = magnitudes[f"base_model.model.{PATH}.lora_magnitude_vector"]
    torch.testing.assert_close(changed.norm(dim=1), expected)
    a, b = (tensors[f"base_model.model.{PATH}.lora_{side}.weight"] for side in "AB")
    alike = torch.cosine_similarity(changed, weight + 4 * b @ a)
    torch.testing.assert_close(alike, torch.ones(3))
    edit_weights(adapter, lambda k, v: (k, torch.rand(2) if "magnitude" in k else v))
    with pytest.raises(ModelError, match="has 2 magnitudes; expected 3"):
        open_lora(adapter)


@pytest.mark.parametrize(
    ("more", "scales"),
    [
        ({}, (4, 4)),
        ({"use_rslora": True}, (8 / 2**0.5, 8 / 2**0.5)),
        ({"alpha_pattern": {"q_proj": 2}}, (1, 4)),
        ({"alpha_pattern": {"proj": 2, r"layers\.0\.mlp\..*": 6}}, (4, 3)),
        ({"r": 7, "rank_pattern": {"q_proj": 2, "up_proj": 2}}, (4, 4)),
        ({"alpha_pattern": {"^model.layers.0.self_attn.q_proj": 2}}, (1, 4)),
    ],
)
def test_the_scale_of_each_module(
    adapter: Path, more: dict[str, Any], scales: tuple[float, float]
) -> None:
    """A pattern that matches a part of a name, or nothing, or is divided by another rank."""
    modules = open_lora(edit_config(adapter, **more)).modules
    found = [modules[path].scale for path in (PATH, "model.layers.0.mlp.up_proj")]
    assert found == pytest.approx(scales)


def test_a_pickle_runs_no_code(adapter: Path) -> None:
    """Weights of the older format, and code of whoever wrote the file."""
    expected = open_lora(adapter)
    tensors = load_file(adapter / WEIGHTS)
    (adapter / WEIGHTS).unlink()
    torch.save(tensors, adapter / "adapter_model.bin")
    found = open_lora(adapter)
    assert torch.equal(found.modules[PATH].a, expected.modules[PATH].a)
    torch.save({"x": pytest.fail}, adapter / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"adapter_model\.bin cannot be read"):
        open_lora(adapter)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"fan_in_fan_out": True}, r"is more than LoRA or DoRA \(fan_in_fan_out True\)"),
        ({"use_dora": True}, r"has no magnitudes for .*, and use_dora True"),
        ({"rank_pattern": {"q_proj": 8}}, r"expected rank 8, from adapter_config\.json"),
        ({"alpha_pattern": {"q_proj": 0}}, "has alpha_pattern q_proj 0; expected a number above 0"),
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
        (lambda k, v: (k.replace("lora_A.weight", "lora_A.bias"), v), r"contains .*lora_A\.bias"),
        (lambda k, v: (k, v[0].contiguous()), r"has A \(5,\) and B \(2,\)"),
    ],
)
def test_tensors_that_are_more_or_less_are_refused(adapter: Path, edit: Any, told: str) -> None:
    """Half an adapter, one before its first step, and weights that nobody would merge."""
    with pytest.raises(ModelError, match=told):
        open_lora(edit_weights(adapter, edit))


def test_files_that_are_missing_or_broken(adapter: Path) -> None:
    """A traceback for a folder that was half copied."""
    (adapter / WEIGHTS).write_bytes(b"half")
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors cannot be read"):
        open_lora(adapter)
    (adapter / WEIGHTS).unlink()
    with pytest.raises(ModelError, match=r"has no adapter_model\.safetensors and no .*\.bin"):
        open_lora(adapter)
    (adapter / "adapter_config.json").write_text("[1")
    with pytest.raises(UsageError, match="is not a JSON object"):
        open_lora(adapter)
