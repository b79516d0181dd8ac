"""The proof of a merge passes on a good one and fails, by name, on each kind of bad one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest
import torch
from safetensors.torch import load_file, save_file

from e5v.checkpoints.merge import Merged, merge
from e5v.checkpoints.merge_checks import prove
from e5v.errors import ModelError
from e5v.model.verify import Check
from tests.adapters import write_adapter

Checkpoints = Callable[[str], Path]
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def merged(checkpoints: Checkpoints, tmp_path: Path) -> Merged:
    """Give a merged checkpoint that may be spoilt."""
    source = checkpoints("llava_next_llama3")
    run = write_adapter(tmp_path / "adapter", source)
    return merge(run, tmp_path / "merged", source)


def _failures(merged: Merged) -> dict[str, Check]:
    return {check.name: check for check in prove(merged, dtype="float32") if not check.passed}


def _spoil(merged: Merged, edit: Callable[[Tensors], object]) -> None:
    tensors = load_file(merged.folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, merged.folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_good_merge_passes(merged: Merged, dtype: str) -> None:
    """A proof that cries wolf, or that leaves a part of itself out."""
    checks = list(prove(merged, dtype=dtype))  # type: ignore[arg-type]
    assert [check.name for check in checks if not check.passed] == []
    names = {"all else bit-identical", "language model tuned", "all weights loaded"}
    names |= {"text vector moved", "image vector moved", "plain path, image"}
    assert names <= {check.name for check in checks}


def test_nothing_merged_fails(merged: Merged, tmp_path: Path) -> None:
    """A merge that is the source over again."""
    copytree(merged.source, tmp_path / "copy")
    failures = _failures(replace(merged, folder=tmp_path / "copy"))
    assert failures.keys() == {"language model tuned", "text vector moved", "image vector moved"}
    assert failures["language model tuned"].figure == "0 of 21 differ"
    assert failures["text vector moved"].figure == "0.0e+00"


def test_a_touched_vision_tower_fails(merged: Merged) -> None:
    """Eyes that changed although nobody trained them, by one bit in one number."""
    name = "vision_tower.encoder.layers.1.mlp.fc1.weight"

    def nudge(tensors: Tensors) -> None:
        tensors[name].view(torch.int32)[0, 0] ^= 1

    _spoil(merged, nudge)
    failures = _failures(merged)
    assert failures.keys() == {"all else bit-identical"}
    assert failures["all else bit-identical"].figure.endswith(f"differ ({name}, ...)")


def test_a_cast_tensor_fails(merged: Merged) -> None:
    """A head that was rounded on the way."""
    name = "language_model.lm_head.weight"
    _spoil(merged, lambda tensors: tensors.update({name: tensors[name].half()}))
    assert _failures(merged).keys() == {"all else bit-identical"}


def test_a_left_over_tensor_fails(merged: Merged) -> None:
    """An adapter's matrix that came along."""
    _spoil(merged, lambda tensors: tensors.update({"lora_A": torch.ones(2, 2)}))
    with pytest.warns(UserWarning, match="lora_A"):
        failures = _failures(merged)
    assert failures.keys() == {"all else bit-identical", "all weights loaded"}


def test_vectors_that_are_no_numbers_fail(merged: Merged) -> None:
    """A training run that diverged: NaN is unlike everything, but nothing has moved to it."""
    _spoil(merged, lambda tensors: tensors[merged.changed[0]].fill_(float("nan")))
    with pytest.raises(ModelError, match="not finite"):
        _failures(merged)
