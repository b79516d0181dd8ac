"""The model of a verb: which one, and what is no model."""

from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from e5v.errors import UsageError
from e5v.model import hub
from e5v.model.backbones import Tiling
from e5v.model.bundled import PAPER
from e5v.search.manifest import Manifest
from e5v.verbs.model_options import (
    Opening,
    check_model,
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


def test_the_tilings_are_those_of_the_library() -> None:
    """Catches a tiling that Python knows and the command line does not."""
    assert get_args(get_type_hints(Opening)["tiling"]) == get_args(Tiling)


def test_the_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a variable that is ignored, and one that is set to nothing taken for a name."""
    monkeypatch.setenv("E5V_MODEL", "")
    assert default_model() == PAPER
    with pytest.raises(UsageError, match="MODEL is missing"):
        named_model(None)
    monkeypatch.setenv("E5V_MODEL", "nano")
    assert (default_model(), named_model(None), named_model("a/b")) == ("nano", "nano", "a/b")
