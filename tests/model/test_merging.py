"""A model opened with an adapter is peft's own: LoRA, DoRA, and of older versions, too."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from e5v import E5V, ModelError
from e5v.checkpoints.merge import merge
from e5v.model.fingerprint import fingerprint
from e5v.model.loading import load
from e5v.model.lora import WEIGHTS
from e5v.model.merging import merge_into_model
from tests.adapters import edit_config, edit_weights, write_adapter

Checkpoints = Callable[[str], Path]
LLAVA, QWEN = "llava_next_mistral", "qwen2_vl"
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "up_proj", "linear_1", "fc1"]
KINDS: dict[str, dict[str, Any]] = {
    "LoRA": {"target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "down_proj"]},
    "a regex": {"target_modules": r".*language_model.*\.(q_proj|up_proj)"},
    "DoRA": {"use_dora": True},
    "patterns": {
        "use_rslora": True,
        "rank_pattern": {"q_proj": 2, r"layers\.0\.mlp\.up_proj": 8},
        "alpha_pattern": {"v_proj": 3, r"model\.language_model\.layers\.1\.self_attn\.k_proj": 9},
    },
    "DoRA with patterns": {"use_dora": True, "alpha_pattern": {"v_proj": 3}},
    "whole modules": {"modules_to_save": ["merger", "norm"]},
}


def _by_peft(base: Path, adapter: Path) -> E5V:
    """Open a model with the adapter's modules in it, as peft runs them."""
    loaded = load(base, dtype="float32", device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        PeftModel.from_pretrained(loaded.model, str(adapter))  # type: ignore[arg-type]
    return E5V(loaded)


def _vectors(model: E5V, photos: list[Image.Image]) -> Any:
    both = {"image": photos[1], "text": "but blue"}
    return model.encode(["A dog runs.", photos[0], both])


def _compare(base: Path, adapter: Path, photos: list[Image.Image]) -> E5V:
    """Compare a model opened with an adapter to peft's, and to the model without it."""
    ours = E5V(base, adapter=adapter, dtype="float32", device="cpu")
    found = _vectors(ours, photos)
    np.testing.assert_allclose(found, _vectors(_by_peft(base, adapter), photos), atol=1e-5)
    plain = _vectors(E5V(base, dtype="float32", device="cpu"), photos)
    assert np.abs(found - plain).max(1).min() > 0.01
    return ours


def _pickle_weights(adapter: Path) -> Path:
    """Save an adapter's weights as older versions of peft did."""
    torch.save(load_file(adapter / WEIGHTS), adapter / "adapter_model.bin")
    (adapter / WEIGHTS).unlink()
    return adapter


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_as_peft_runs_it(
    kind: str, checkpoints: Checkpoints, tmp_path: Path, photos: list[Image.Image]
) -> None:
    """Catches another scale, magnitudes left out, and a pattern that is not matched."""
    base = checkpoints(QWEN)
    _compare(base, write_adapter(tmp_path / "adapter", base, **KINDS[kind]), photos)


@pytest.mark.parametrize("more", [{}, {"use_dora": True}])
def test_tower_and_projector_too(
    more: dict[str, Any], checkpoints: Checkpoints, tmp_path: Path, photos: list[Image.Image]
) -> None:
    """Catches an adapter of the whole model of which the images get nothing."""
    base = checkpoints(LLAVA)
    adapter = write_adapter(tmp_path / "adapter", base, target_modules=ALL, **more)
    names = "".join(load_file(adapter / WEIGHTS))
    assert "vision_tower" in names
    assert "projector" in names
    ours = _compare(base, _pickle_weights(adapter), photos)
    merged = E5V(merge(adapter, tmp_path / "merged", base).folder, dtype="float32", device="cpu")
    assert np.array_equal(_vectors(ours, photos), _vectors(merged, photos))
    assert fingerprint(ours.loaded) == fingerprint(merged.loaded)


def test_a_convolution_is_as_peft_runs_it(
    checkpoints: Checkpoints, tmp_path: Path, photos: list[Image.Image]
) -> None:
    """Catches the matrices of a patch embedding, multiplied in another shape."""
    base = checkpoints(LLAVA)
    targets = ["patch_embedding", "q_proj"]
    _compare(base, write_adapter(tmp_path / "adapter", base, target_modules=targets), photos)


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings:UserWarning")
def test_a_head_that_is_tied_leaves_the_embeddings_alone(
    checkpoints: Checkpoints, tmp_path: Path, photos: list[Image.Image]
) -> None:
    """Catches an adapter of the head that is added to the embeddings, which are the same tensor."""
    base = checkpoints("gemma3")
    tied = load(base, device="cpu").model
    assert tied.get_output_embeddings().weight is tied.get_input_embeddings().weight
    adapter = write_adapter(tmp_path / "adapter", base, target_modules=["q_proj", "lm_head"])
    _compare(base, adapter, photos)


Renamed = tuple[tuple[str, str], ...]
# Names of now -> names in other versions, or in a model that was trained without its head.
OLD: dict[str, tuple[str, Renamed]] = {
    "4.41": (
        LLAVA,
        (
            ("model.language_model.", "language_model.model."),
            ("model.vision_tower.", "vision_tower.vision_model."),
            ("model.multi_modal_projector.", "multi_modal_projector."),
        ),
    ),
    "4.52": (LLAVA, (("model.vision_tower.", "model.vision_tower.vision_model."),)),
    "the base model": (LLAVA, (("model.", ""),)),
    "Qwen's of 4.49": (
        QWEN,
        (("model.language_model.", "model."), ("model.visual.", "visual.")),
    ),
    "Qwen's base model": (QWEN, (("model.", ""),)),
    "a base model of no other names": ("qwen3_vl", (("model.", ""),)),
}


def _rename(adapter: Path, *pairs: tuple[str, str]) -> Path:
    start = "base_model.model."

    def edit(key: str, value: Any) -> tuple[str, Any]:
        name = key.removeprefix(start)
        new = next((to + name.removeprefix(old) for old, to in pairs if name.startswith(old)), name)
        return start + new, value

    return edit_weights(adapter, edit)


def _merged(base: Path, adapter: Path) -> Any:
    model: Any = load(base, dtype="float32", device="cpu").model
    merge_into_model(adapter, model)
    return model.state_dict()


@pytest.mark.parametrize("version", OLD)
def test_names_of_other_versions_are_matched(
    version: str, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """Catches an adapter of last year that matches nothing, so that the model is not tuned."""
    name, pairs = OLD[version]
    base = checkpoints(name)
    targets = ["q_proj", "up_proj", "qkv", "fc1", "linear_1", "linear_2"]
    adapter = write_adapter(tmp_path / "adapter", base, target_modules=targets)
    expected, before = _merged(base, adapter), set(load_file(adapter / WEIGHTS))
    assert before != set(load_file(_rename(adapter, *pairs) / WEIGHTS))
    found = _merged(base, adapter)
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    again = load_file(merge(adapter, tmp_path / "merged", base).folder / "model.safetensors")
    changed = load_file(base / "model.safetensors")
    differ = sum(not torch.equal(value, changed[name]) for name, value in again.items())
    assert differ == len(before) // 2


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (
            lambda k, v: (k.replace("layers.1.", "layers.7."), v),
            r"trained on another model \(.*\): 7 of its 21 weights are not in this one "
            r"\(model\.language_model\.layers\.7\.",
        ),
        (
            lambda k, v: (k.replace("self_attn.q_proj", "custom_text_proj"), v),
            r"3 of its 21 weights .*\.custom_text_proj\.weight",
        ),
        (
            lambda k, v: (k, v[:, :-1].contiguous() if "lora_A" in k else v),
            r"21 of its 21 weights have other shapes \(.* is \(\d+, \d+\), the adapter's \(",
        ),
        (lambda k, v: (k.replace("lora_A", "lora_embedding_A"), v), "contains .*lora_embedding_A"),
    ],
)
def test_an_adapter_of_another_model_is_refused(
    edit: Any, told: str, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """Catches the worst fault of adapters: what fits nowhere is left out, and nothing is said."""
    base = checkpoints("llava_next_llama3")
    adapter = edit_weights(write_adapter(tmp_path / "adapter", base), edit)
    with pytest.raises(ModelError, match=told) as caught:
        E5V(base, adapter=adapter, device="cpu")
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700


def test_two_names_of_one_weight_are_refused(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Catches an adapter with a module in two layouts, of which the last one wins."""
    base = checkpoints("llava_next_llama3")
    adapter = write_adapter(tmp_path / "adapter", base)
    edit_weights(
        adapter, lambda k, v: (k.replace("model.language_model.layers.1.", "model.layers.0."), v)
    )
    with pytest.raises(ModelError, match=r"has model\.language_model\.layers\.0\..* twice"):
        merge_into_model(adapter, load(base, device="cpu").model)


def test_quantised_weights_are_refused(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Catches numbers that are codes, added to as if they were weights."""
    base = checkpoints("llava_next_llama3")
    adapter = write_adapter(tmp_path / "adapter", base)
    model = load(base, dtype="float32", device="cpu").model
    layer = model.get_decoder().layers[0].mlp.up_proj
    layer.weight = nn.Parameter(layer.weight.to(torch.int8), requires_grad=False)
    with pytest.raises(ModelError, match=r"quantised weights \(.*up_proj\.weight\)"):
        merge_into_model(adapter, model)


def test_half_precision_is_rounded_once(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Catches a sum of two numbers that were rounded before."""
    base = checkpoints("llava_next_llama3")
    adapter = write_adapter(tmp_path / "adapter", base)
    model: Any = load(base, dtype="bfloat16", device="cpu", adapter=adapter).model
    tensors = load_file(adapter / WEIGHTS)
    name = "model.language_model.layers.1.mlp.up_proj"
    a, b = (tensors[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
    plain: Any = load(base, dtype="bfloat16", device="cpu").model
    expected = (plain.get_parameter(f"{name}.weight").float() + 6 / 4 * b @ a).bfloat16()
    assert torch.equal(model.get_parameter(f"{name}.weight"), expected)


def test_a_local_copy_of_the_base_is_taken(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Catches a copy in a folder refused because the adapter names a hub id."""
    base = checkpoints("llava_next_llama3")
    adapter = write_adapter(tmp_path / "adapter", base)
    edit_config(adapter, base_model_name_or_path="royokong/e5-v")
    assert E5V(base, adapter=adapter, device="cpu").loaded.adapter == adapter
