"""A merged checkpoint is what peft makes of it, and nothing else in it is touched."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any, Literal, get_args

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from e5v import E5V, ModelError
from e5v.checkpoints.merge import Merged, merge
from e5v.checkpoints.tensors import Weights, open_weights
from tests.adapters import edit_config, edit_weights, write_adapter
from tests.families import FAMILIES, old_layout

Checkpoints = Callable[[str], Path]
Version = Literal["4.41", "4.52", "5"]
LLAMA = "llava_next_llama3"


@pytest.fixture
def adapter(checkpoints: Checkpoints, tmp_path: Path) -> Path:
    """Give an adapter of the small LLaVA-NeXT."""
    return write_adapter(tmp_path / "adapter", checkpoints(LLAMA))


def _vectors(folder: Path, photos: list[Any]) -> Any:
    items = ["A dog runs.", photos[0], {"image": photos[1], "text": "but blue"}]
    return E5V(folder, dtype="float32").encode(items)


def _edited(source: Path, target: Path, edit: Any) -> Path:
    """Copy a checkpoint with its tensors edited."""
    copytree(source, target)
    tensors = load_file(target / "model.safetensors")
    save_file(edit(tensors), target / "model.safetensors", {"format": "pt"})
    return target


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_merged_as_peft_does(
    name: str, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """A family whose language model is found under the wrong names, or a delta that is wrong."""
    source = checkpoints(name)
    run = write_adapter(tmp_path / "adapter", source, tmp_path / "peft")
    merged = merge(run, tmp_path / "ours", source)
    ours = load_file(merged.folder / "model.safetensors")
    theirs = load_file(tmp_path / "peft" / "model.safetensors")
    before = load_file(source / "model.safetensors")
    assert ours.keys() == theirs.keys() == before.keys()
    for key, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[key], rtol=0, atol=1e-6, msg=key)
        assert torch.equal(tensor, before[key]) == (key not in merged.changed), key
    assert len(merged.changed) == len(load_file(run / "adapter_model.safetensors")) // 2


@pytest.mark.parametrize("version", get_args(Version))
def test_every_layout_is_merged(
    version: Version, checkpoints: Checkpoints, tmp_path: Path, photos: list[Any]
) -> None:
    """Tensors that are not found because a release of transformers named them otherwise."""
    source = checkpoints(LLAMA)
    run = write_adapter(tmp_path / "adapter", source, tmp_path / "peft")
    old = old_layout(source, tmp_path / "old", version)
    merge(run, tmp_path / "ours", old)
    assert open_weights(tmp_path / "ours").places == open_weights(old).places
    ours, theirs = _vectors(tmp_path / "ours", photos), _vectors(tmp_path / "peft", photos)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    assert np.abs(ours - _vectors(source, photos)).max() > 0.01


@pytest.mark.parametrize("root", ["model.", "", "language_model.model.", "model.language_model."])
def test_an_adapter_of_the_language_model_alone(
    root: str, adapter: Path, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """The official code's adapters, made on the bare language model, and older transformers'."""
    source = checkpoints(LLAMA)
    merge(adapter, tmp_path / "whole", source)
    own = "base_model.model.model.language_model."
    edit_weights(adapter, lambda k, v: (k.replace(own, f"base_model.model.{root}"), v))
    merge(adapter, tmp_path / "bare", source)
    files = (tmp_path / name / "model.safetensors" for name in ("whole", "bare"))
    first, second = (file.read_bytes() for file in files)
    assert first == second


def test_all_else_is_left_alone(adapter: Path, checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A processor, a licence or a chat template that gets lost; weights that come along twice."""
    source = tmp_path / "source"
    copytree(checkpoints("llava_next_mistral"), source)
    for name in ("LICENSE", ".gitattributes", "README.md", "pytorch_model.bin", "other.gguf"):
        (source / name).write_text(f"the source's {name}")
    for name in ("onnx/model.onnx", "more_templates/rag.jinja", ".git/config", "1_Pooling/x.json"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(f"the source's {name}")
    run = write_adapter(tmp_path / "mistral", source)
    ours = merge(run, tmp_path / "ours", source).folder
    dropped = {".gitattributes", "pytorch_model.bin", "other.gguf", "onnx/model.onnx"}
    dropped |= {".git/config", "1_Pooling/x.json"}
    for path in source.rglob("*"):
        inner = path.relative_to(source).as_posix()
        if path.is_file() and inner not in {"README.md", "model.safetensors"}:
            kept = ours / inner
            same = kept.is_file() and kept.read_bytes() == path.read_bytes()
            assert same == (inner not in dropped), inner
            assert kept.exists() == same, inner
    card = (ours / "README.md").read_text()
    assert "the source's" not in card


def test_shards_keep_their_names(adapter: Path, checkpoints: Checkpoints, tmp_path: Path) -> None:
    """An index that names other files, or tensors that moved to another shard."""
    source = tmp_path / "sharded"
    copytree(checkpoints(LLAMA), source)
    (source / "model.safetensors").unlink()
    model: Any = transformers.AutoModelForImageTextToText.from_pretrained(checkpoints(LLAMA))
    model.save_pretrained(source, max_shard_size="200KB")
    before = open_weights(source)
    assert len(before.files) > 2
    merged = merge(adapter, tmp_path / "ours", source)
    after = open_weights(merged.folder)
    assert after.places == before.places
    index = "model.safetensors.index.json"
    assert (merged.folder / index).read_bytes() == (source / index).read_bytes()
    differ = {name for name in before.places if before.content(name) != after.content(name)}
    assert differ == set(merged.changed)
    assert len({before.places[name].file for name in differ}) > 1


def test_half_precision_is_summed_in_float32(
    adapter: Path, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """A product rounded to bfloat16 before it is added, or a checkpoint that grows to float32."""
    source = _edited(
        checkpoints(LLAMA), tmp_path / "half", lambda t: {k: v.bfloat16() for k, v in t.items()}
    )
    tensors = load_file(source / "model.safetensors")
    merged = merge(adapter, tmp_path / "ours", source)
    lora = load_file(adapter / "adapter_model.safetensors")
    module = "layers.1.mlp.up_proj"
    a, b = (
        lora[f"base_model.model.model.language_model.{module}.lora_{side}.weight"] for side in "AB"
    )
    name = next(name for name in merged.changed if module in name)
    wanted = (tensors[name].float() + 6 / 4 * b @ a).bfloat16()
    assert torch.equal(load_file(merged.folder / "model.safetensors")[name], wanted)


def test_rank_stabilised_scale(adapter: Path, checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Alpha / r where peft multiplies by alpha / sqrt(r)."""
    source = checkpoints(LLAMA)
    plain = merge(adapter, tmp_path / "plain", source)
    merge(edit_config(adapter, use_rslora=True), tmp_path / "stabilised", source)
    folders = (source, tmp_path / "plain", tmp_path / "stabilised")
    name = plain.changed[0]
    before, once, twice = (load_file(one / "model.safetensors")[name] for one in folders)
    torch.testing.assert_close((twice - before) / math.sqrt(4), once - before, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda k, v: (k.replace("layers.2", "layers.7"), v), r"7 of its .*layers\.7\.mlp\.down"),
        (lambda k, v: (k, v[:, :-1].contiguous() if "lora_A" in k else v), "21 of its 21 weights"),
    ],
)
def test_an_adapter_of_another_model_is_refused(
    adapter: Path, checkpoints: Checkpoints, tmp_path: Path, edit: Any, told: str
) -> None:
    """A LoRA that matches nothing, or half."""
    with pytest.raises(ModelError, match=told) as caught:
        merge(edit_weights(adapter, edit), tmp_path / "ours", checkpoints(LLAMA))
    assert len(str(caught.value)) < 700
    assert list(tmp_path.iterdir()) == [adapter]


def test_a_look_alike_is_not_taken(adapter: Path, checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A draft model beside the language model, whose layers have the same names."""
    whole = load_file(checkpoints(LLAMA) / "model.safetensors")
    own = "language_model.model.layers.2."
    draft = {
        key.replace(own, "draft.layers.2."): value.clone()
        for key, value in whole.items()
        if key.startswith(own)
    }
    source = _edited(checkpoints(LLAMA), tmp_path / "two", lambda tensors: tensors | draft)
    assert all(
        name.startswith("language_model.")
        for name in merge(adapter, tmp_path / "ours", source).changed
    )


def test_a_layout_that_is_not_known_is_refused(
    adapter: Path, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """A language model in pieces under names of its own, merged as far as it is found."""

    def rename(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {key.replace(".mlp.up_proj.", ".mlp.up."): tensors[key] for key in tensors}

    source = _edited(checkpoints(LLAMA), tmp_path / "renamed", rename)
    with pytest.raises(ModelError, match=r"no tensor of its own for 3 of the 21 .*up_proj\.weight"):
        merge(adapter, tmp_path / "ours", source)


def test_quantised_weights_are_refused(
    adapter: Path, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """Numbers that are codes, added to as if they were weights."""

    def quantise(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        eight = torch.float8_e4m3fn
        return {key: v.to(eight) if "up_proj" in key else v for key, v in tensors.items()}

    source = _edited(checkpoints(LLAMA), tmp_path / "eight", quantise)
    with pytest.raises(ModelError, match=r"3 of 21 tensors do not fit .* in F8_E4M3"):
        merge(adapter, tmp_path / "ours", source)


def test_a_model_that_does_not_exist(adapter: Path, tmp_path: Path) -> None:
    """A page of connection errors for a mistyped name, or without a network."""
    with pytest.raises(ModelError, match="nowhere/to-be-found is neither bundled") as caught:
        merge(adapter, tmp_path / "ours", "nowhere/to-be-found")
    assert "\n" not in str(caught.value)


def test_nothing_is_left_of_what_fails(
    adapter: Path, checkpoints: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is half there after a full disk, or there although its proof failed."""

    def refuse(merged: Merged) -> None:
        assert merged.folder != tmp_path / "ours"
        assert E5V(merged.folder).width
        raise ModelError("not good enough")

    with pytest.raises(ModelError, match="not good enough"):
        merge(adapter, tmp_path / "ours", checkpoints(LLAMA), check=refuse)
    assert list(tmp_path.iterdir()) == [adapter]

    def full(self: Weights, name: str, tensor: torch.Tensor) -> None:
        raise OSError(28, "No space left on device", str(self.folder / "model.safetensors"))

    monkeypatch.setattr(Weights, "overwrite", full)
    with pytest.raises(OSError, match="No space left"):
        merge(adapter, tmp_path / "ours", checkpoints(LLAMA))
    assert list(tmp_path.iterdir()) == [adapter]


def test_an_old_processor_is_completed(
    adapter: Path, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """A model of 2024 that nothing but e5v opens: its processor does not know the patch size."""
    old = old_layout(checkpoints(LLAMA), tmp_path / "old", "4.41")
    ours = merge(adapter, tmp_path / "ours", old).folder
    made: Any = transformers.AutoProcessor
    assert made.from_pretrained(old).patch_size is None
    processor = made.from_pretrained(ours)
    assert (processor.patch_size, processor.num_additional_image_tokens) == (7, 1)
    assert processor.vision_feature_select_strategy == "default"


def test_the_card_tells_how_it_was_made(
    adapter: Path, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """A card without the recipe, with one that breaks its table, or with paths of this machine."""
    run = tmp_path / "run"
    run.mkdir()
    adapter.rename(run / "adapter")
    files = {"data": ["/home/me/nli.csv", "hub:some/one:train"], "teacher": "/home/me/big.npy"}
    recipe = {"model": "royokong/e5-v", "steps": 1000, "prompt": "<text>\nOne | word: "} | files
    (run / "recipe.json").write_text(json.dumps(recipe))
    ours = merge(run, tmp_path / "ours", checkpoints(LLAMA)).folder
    card = (ours / "README.md").read_text()
    front = dict(line.split(": ", 1) for line in card.split("---\n")[1].splitlines())
    assert "base_model" not in front  # the source is a folder, which is not on the hub
    assert f"`{LLAMA}`" in card
    assert "sentence-transformers" in json.loads(front["tags"])
    assert "| steps | `1000` |" in card
    assert '| data | `["nli.csv", "hub:some/one:train"]` |' in card
    assert "/home/me" not in card
    assert r'| prompt | `"<text>\nOne \| word: "` |' in card
    assert str(tmp_path) not in card
