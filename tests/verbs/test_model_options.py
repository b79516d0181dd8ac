"""The model of a verb: which one, and what is no model."""

import json
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from e5v.errors import ModelError, UsageError
from e5v.model import hub
from e5v.model.backbones import Tiling
from e5v.model.bundled import PAPER
from e5v.model.opening import Weights
from e5v.search.manifest import Manifest
from e5v.verbs.model_options import (
    Opening,
    check_model,
    check_whole_model,
    choose_opening,
    default_model,
    named_model,
)


def test_a_bundled_name_is_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches `--model nano` refused where a folder of that name is, as in the clone's root."""
    (tmp_path / "nano").mkdir()
    monkeypatch.chdir(tmp_path)
    check_model("nano")
    with pytest.raises(UsageError, match="is a folder without config"):
        check_model("./nano")


def test_only_what_is_used_may_be_an_adapter(tmp_path: Path) -> None:
    """Catches an adapter trained on an adapter, which nothing opens."""
    config = {"peft_type": "LORA", "base_model_name_or_path": "nano-base"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    check_model(str(tmp_path))
    check_model("nano-base", str(tmp_path))
    for model, adapter in ((str(tmp_path), str(tmp_path)), ("nano", str(tmp_path))):
        with pytest.raises(ModelError if model == "nano" else UsageError):
            check_model(model, adapter)
    with pytest.raises(UsageError, match="is an adapter, not a model"):
        check_whole_model(str(tmp_path))


def test_what_may_be_on_the_hub_is_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a hub id taken for a path, and a model's folder refused."""
    monkeypatch.setattr(hub, "file_names", lambda name: ["config.json", "model.safetensors"])
    (tmp_path / "config.json").write_text("{}")
    for name in ("royokong/e5-v", "gpt2", "Qwen/Qwen3-VL-2B.v1", str(tmp_path), f"{tmp_path}/"):
        check_model(name)


def test_an_index_is_opened_as_it_was_made() -> None:
    """Catches a search that is refused, or that mixes vectors, unless the options are repeated."""
    there = Manifest("f", "m", "float32", 3, tiling="transformers-4.41")
    assert choose_opening(Opening(), there) == Opening("float32", tiling="transformers-4.41")
    assert choose_opening(Opening("bfloat16"), there).dtype == "bfloat16"
    usual = Manifest("f", "m", "float32", 3)
    assert choose_opening(Opening(), usual) == Opening("float32")
    assert choose_opening(Opening(tiling="transformers-4.41"), usual).tiling == "transformers-4.41"
    assert choose_opening(Opening(), None) == Opening()
    worded = Manifest("f", "m", "float32", 3, recipe="bge-vl-mllm")
    assert choose_opening(Opening(), worded).recipe == "bge-vl-mllm"
    assert choose_opening(Opening(recipe="e5-v"), worded).recipe == "e5-v"
    tuned = Manifest("f", "m", "float32", 3, adapter="/run")
    assert choose_opening(Opening(), tuned).adapter == "/run"
    assert choose_opening(Opening(adapter="other"), tuned).adapter == "other"
    assert choose_opening(Opening(), tuned, tuned.model).adapter == "/run"
    assert choose_opening(Opening(), tuned, "/merged").adapter is None
    assert choose_opening(Opening(adapter="other"), tuned, "/merged").adapter == "other"


def test_an_index_keeps_its_image_tokens_and_its_weights() -> None:
    """Catches queries by full images, or of full weights, in an index that was made otherwise."""
    there = Manifest("f", "m", "float32", 3, image_tokens=577, weights="8bit")
    assert choose_opening(Opening(), there) == Opening("float32", image_tokens=577, weights="8bit")
    given = choose_opening(Opening(image_tokens=100, weights="4bit"), there)
    assert (given.image_tokens, given.weights) == (100, "4bit")


def test_the_tilings_are_those_of_the_library() -> None:
    """Catches a tiling, or a way to store weights, that only Python knows."""
    assert get_args(get_type_hints(Opening)["tiling"]) == get_args(Tiling)
    assert get_args(get_type_hints(Opening)["weights"]) == get_args(Weights)


def test_the_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a variable that is ignored, and one that is set to nothing taken for a name."""
    monkeypatch.setenv("E5V_MODEL", "")
    assert default_model() == PAPER
    with pytest.raises(UsageError, match="MODEL is missing"):
        named_model(None)
    monkeypatch.setenv("E5V_MODEL", "nano")
    assert (default_model(), named_model(None), named_model("a/b")) == ("nano", "nano", "a/b")
