"""The original LMMS shards become a checkpoint with the vectors that they always had."""

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from e5v import E5V, ModelError, UsageError
from e5v.checkpoints.convert_llava import convert
from e5v.cli import main
from e5v.model.verify import verify

Checkpoints = Callable[[str], Path]
Tensors = dict[str, torch.Tensor]

NAMES = (
    ("multi_modal_projector.linear_1.", "model.mm_projector.0."),
    ("multi_modal_projector.linear_2.", "model.mm_projector.2."),
    ("image_newline", "model.image_newline"),
    ("vision_tower.", "model.vision_tower.vision_tower.vision_model."),
    ("language_model.", ""),
)
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
INDEX = "model.safetensors.index.json"


@pytest.fixture
def modern(checkpoints: Checkpoints, tmp_path: Path) -> Path:
    """Give a LLaVA-NeXT whose tower has the one head that a CLIP of 32 values has."""
    folder = tmp_path / "modern"
    copytree(checkpoints("llava_next_llama3"), folder)
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["num_attention_heads"] = 1
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def original(modern: Path, tmp_path: Path) -> Path:
    """Give the same model as LMMS wrote it: its names, its config, no image token."""
    folder = tmp_path / "original"
    folder.mkdir()
    config = json.loads((modern / "config.json").read_text())
    words = _write_tokenizer(modern, folder)
    _write_shards(folder, _renamed(load_file(modern / "model.safetensors"), words))
    text = config["text_config"]
    kept = ["hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers"]
    kept += ["num_key_value_heads", "rms_norm_eps", "max_position_embeddings", "eos_token_id"]
    told = {key: text[key] for key in kept} | {
        "architectures": ["LlavaLlamaForCausalLM"],
        "image_aspect_ratio": "anyres",
        "image_grid_pinpoints": config["image_grid_pinpoints"],
        "mm_patch_merge_type": "spatial_unpad",
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": "openai/clip-vit-large-patch14-336",
        "model_type": "llava_llama",
        "rope_scaling": None,
        "rope_theta": text["rope_parameters"]["rope_theta"],
        "torch_dtype": "float32",
        "vocab_size": words,
    }
    (folder / "config.json").write_text(json.dumps(told))
    copy(modern / "generation_config.json", folder)
    return folder


def _write_tokenizer(modern: Path, folder: Path) -> int:
    """Write the tokenizer as it was before <image> and <pad>; return its number of tokens."""
    tokenizer = json.loads((modern / "tokenizer.json").read_text())
    tokens = tokenizer["added_tokens"]
    assert [token["content"] for token in tokens[-2:]] == ["<image>", "<pad>"]
    tokenizer["added_tokens"] = tokens[:-2]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = json.loads((modern / "tokenizer_config.json").read_text())
    kept = ("bos_token", "eos_token", "model_max_length", "tokenizer_class")
    (folder / "tokenizer_config.json").write_text(json.dumps({key: config[key] for key in kept}))
    number: int = tokens[-2]["id"]
    return number


def _renamed(tensors: Tensors, words: int) -> Tensors:
    renamed = {}
    for name, tensor in tensors.items():
        new, old = next(pair for pair in NAMES if name.startswith(pair[0]))
        rows = words if "embed_tokens" in name or "lm_head" in name else len(tensor)
        renamed[old + name.removeprefix(new)] = tensor[:rows].clone()
    return renamed


def _write_shards(folder: Path, tensors: Tensors) -> None:
    names = sorted(tensors)
    halves = names[::2], names[1::2]
    for file, half in zip(SHARDS, halves, strict=True):
        save_file({name: tensors[name] for name in half}, folder / file, {"format": "pt"})
    listed = {name: file for file, half in zip(SHARDS, halves, strict=True) for name in half}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": listed}))


def test_the_vectors_are_the_same(
    original: Path, modern: Path, tmp_path: Path, photos: list[Any]
) -> None:
    """A layer under another's name, an image token that is a word, a picture cut otherwise."""
    made = convert(original, tmp_path / "made")
    items = ["A dog runs.", *photos, {"image": photos[1], "text": "but blue"}]
    ours = E5V(made, dtype="float32").encode(items)
    theirs = E5V(modern, dtype="float32").encode(items)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_a_missing_head_stays_missing(original: Path, modern: Path, tmp_path: Path) -> None:
    """An original without an output head that becomes one whose head is its embedding."""
    for file in (original / shard for shard in SHARDS):
        tensors = load_file(file)
        tensors.pop("lm_head.weight", None)
        save_file(tensors, file, {"format": "pt"})
    index = json.loads((original / INDEX).read_text())
    del index["weight_map"]["lm_head.weight"]
    (original / INDEX).write_text(json.dumps(index))
    made = E5V(convert(original, tmp_path / "made"), dtype="float32")
    theirs = E5V(modern, dtype="float32").encode(["A dog runs."])
    np.testing.assert_allclose(made.encode(["A dog runs."]), theirs, rtol=0, atol=1e-6)
    with pytest.raises(ModelError, match="has no output head"):
        made.words("A dog runs.")


def test_the_result_is_a_good_checkpoint(original: Path, modern: Path, tmp_path: Path) -> None:
    """A checkpoint that opens, with weights left over or a token that nothing stands for."""
    made = convert(original, tmp_path / "made")
    checks = list(verify(str(made), dtype="float32"))
    assert [check for check in checks if not check.passed] == []
    assert sorted(path.name for path in made.glob("*.safetensors")) == list(SHARDS)
    loaded = E5V(made, dtype="float32").loaded
    tokenizer = loaded.processor.tokenizer
    assert loaded.image_token_id == tokenizer.convert_tokens_to_ids("<image>")
    assert tokenizer.pad_token == tokenizer.eos_token
    assert loaded.processor.patch_size == 7
    wanted = json.loads((modern / "config.json").read_text())
    got = json.loads((made / "config.json").read_text())
    for key in ("image_token_index", "image_grid_pinpoints", "image_seq_length", "architectures"):
        assert got[key] == wanted[key], key
    for key in (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "image_size",
        "patch_size",
    ):
        assert got["vision_config"][key] == wanted["vision_config"][key], key


def test_the_result_can_be_pushed(
    original: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A checkpoint without a card, which push refuses, or with one that says it was tuned."""
    made = convert(original, tmp_path / "made")
    card = (made / "README.md").read_text()
    assert "base_model" not in card  # the source is a folder, which is not on the hub
    assert "`original`" in card
    assert "Nothing was trained" in card
    assert "fine-tuned" not in card
    assert "sentence" not in card.replace("sentence-similarity", "").partition("## Prompts")[0]
    assert str(tmp_path) not in card
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    words = ["push", str(made), "somebody/made", "--dry-run", "--dtype", "float32", "--json"]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert '"file": "README.md"' in printed.out
    assert "would be uploaded to somebody/made" in printed.err


def test_rows_are_added_and_the_old_ones_kept(original: Path, tmp_path: Path) -> None:
    """Words that move by a row, or new rows that differ from one run to the next."""
    made = convert(original, tmp_path / "made")
    before: Tensors = {}
    after: Tensors = {}
    for file in SHARDS:
        before |= load_file(original / file)
        after |= load_file(made / file)
    for old, new in (
        ("model.embed_tokens.weight", "language_model.model.embed_tokens.weight"),
        ("lm_head.weight", "language_model.lm_head.weight"),
    ):
        rows = len(before[old])
        assert rows % 64
        assert len(after[new]) == (rows // 64 + 1) * 64
        assert torch.equal(after[new][:rows], before[old])
        mean = before[old].mean(0)
        assert all(torch.equal(row, mean) for row in after[new][rows:])
    assert json.loads((made / INDEX).read_text())["weight_map"].keys() == after.keys()


def _edit_config(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def _drop(folder: Path, part: str) -> None:
    for file in SHARDS:
        tensors = load_file(folder / file)
        kept = {name: tensor for name, tensor in tensors.items() if part not in name}
        save_file(kept, folder / file, {"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda f: _edit_config(f, model_type="llava_next"),
            "is a llava_next checkpoint; expected",
        ),
        (
            lambda f: _edit_config(f, mm_vision_select_feature="cls"),
            "has mm_vision_select_feature cls",
        ),
        (lambda f: (f / "config.json").unlink(), r"without config\.json"),
        (lambda f: (f / SHARDS[1]).unlink(), "lacks 1 of 2 files of weights"),
        (lambda f: _drop(f, "mm_projector"), r"lacks model\.mm_projector\.0\.weight"),
        (lambda f: _drop(f, "vision_tower"), r"lacks model\.vision_tower"),
        (lambda f: _drop(f, "image_newline"), r"lacks model\.image_newline"),
        (lambda f: (f / "tokenizer.json").unlink(), r"has no readable tokenizer\.json"),
    ],
)
def test_another_format_is_refused(original: Path, tmp_path: Path, spoil: Any, told: str) -> None:
    """Half a model under a new name, or a traceback for a checkpoint that needs no conversion."""
    spoil(original)
    with pytest.raises(ModelError, match=told) as caught:
        convert(original, tmp_path / "made")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "made").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_is_there_stays(original: Path, modern: Path) -> None:
    """A checkpoint that is written over."""
    with pytest.raises(UsageError, match="already exists"):
        convert(original, modern)
