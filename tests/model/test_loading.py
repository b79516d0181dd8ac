"""Opening checkpoints: every layout of the hub, and one clear error for whatever is not a model."""

import json
import logging
import tomllib
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any, Literal, get_args

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from e5v import E5V, ModelError, UsageError
from e5v.model.devices import pick_dtype
from e5v.model.failures import OLDEST
from e5v.model.loading import load, quiet
from tests.families import FAMILIES, old_layout

Checkpoints = Callable[[str], Path]
Version = Literal["4.41", "4.52", "5"]


@pytest.mark.parametrize("version", get_args(Version))
def test_every_layout_of_the_hub_loads_whole(
    version: Version, checkpoints: Checkpoints, tmp_path: Path, photos: list[Any]
) -> None:
    """Weights that stay random because a release of transformers named them otherwise."""
    source = checkpoints("llava_next_llama3")
    model = E5V(old_layout(source, tmp_path / "old", version), dtype="float32")
    assert model.loaded.unexpected == ()
    items = ["A dog runs.", photos[0], {"image": photos[1], "text": "but blue"}]
    same = E5V(source, dtype="float32").encode(items)
    assert np.array_equal(model.encode(items), same)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_loads_whole(name: str, checkpoints: Checkpoints) -> None:
    """A family whose weights are partly left over or partly missing after the load."""
    loaded = load(checkpoints(name))
    assert loaded.unexpected == ()
    assert not loaded.model.training
    assert not any(weight.requires_grad for weight in loaded.model.parameters())


def _copy(checkpoints: Checkpoints, folder: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """Copy a checkpoint with its tensors edited."""
    copytree(checkpoints("llava_next_llama3"), folder)
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_missing_weights_are_an_error(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A model that is silently random in one layer."""

    def drop(tensors: dict[str, Any]) -> None:
        del tensors[next(key for key in tensors if "layers.1.self_attn.k_proj" in key)]

    folder = _copy(checkpoints, tmp_path / "part", drop)
    with pytest.raises(ModelError, match=r"lacks 1 of the model's weights \(.*k_proj"):
        E5V(folder)


def test_misshapen_weights_are_an_error(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A checkpoint of another size, loaded as far as it fits."""

    def halve(tensors: dict[str, Any]) -> None:
        key = next(key for key in tensors if "layers.1.mlp.up_proj" in key)
        tensors[key] = tensors[key][::2].contiguous()

    with pytest.raises(ModelError, match=r"up_proj"):
        E5V(_copy(checkpoints, tmp_path / "part", halve))


def test_left_over_weights_are_named(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """An adapter that was never merged: its weights have no place, and nobody says so."""

    def add(tensors: dict[str, Any]) -> None:
        tensors["model.language_model.layers.0.self_attn.q_proj.lora_A.weight"] = torch.ones(2, 2)

    folder = _copy(checkpoints, tmp_path / "more", add)
    with pytest.warns(UserWarning, match="lora_A"):
        assert len(load(folder).unexpected) == 1


def test_folder_that_is_no_model(tmp_path: Path) -> None:
    """A traceback from deep inside for a mistyped folder."""
    with pytest.raises(ModelError, match=r"without config\.json"):
        E5V(tmp_path)


def test_model_that_does_not_exist() -> None:
    """A mistyped name, or no network: one line, not a page of connection errors."""
    with pytest.raises(ModelError, match=r"nowhere/to-be-found is neither bundled") as caught:
        E5V("nowhere/to-be-found")
    assert "\n" not in str(caught.value)


def test_broken_config(tmp_path: Path) -> None:
    """A half-downloaded config.json."""
    (tmp_path / "config.json").write_text('{"model_type": "llava_ne')
    with pytest.raises(ModelError, match="cannot be opened"):
        E5V(tmp_path)


def test_an_old_transformers_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A family that came later: the version that knows it, not a page on how to install."""
    (tmp_path / "config.json").write_text('{"model_type": "of_tomorrow"}')
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelError) as caught:
        E5V(tmp_path)
    assert "expected transformers" not in str(caught.value)
    monkeypatch.setattr(transformers, "__version__", "5.2.0.dev0")
    with pytest.raises(
        ModelError, match=r"`of_tomorrow`.*; expected transformers 5\.17, got 5\.2\.0"
    ):
        E5V(tmp_path)


def test_the_oldest_transformers_is_that_of_the_package() -> None:
    """Advice to install a version that pip then refuses."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    wanted = ".".join(map(str, OLDEST))
    assert any(line.startswith(f"transformers>={wanted},") for line in project["dependencies"])


def test_text_only_model(checkpoints: Checkpoints) -> None:
    """A plain language model that would fail at the first image."""
    with pytest.raises(ModelError, match="llama model, which takes no images"):
        E5V(checkpoints("text_only"))


def test_unknown_family_without_chat_template(checkpoints: Checkpoints) -> None:
    """A family nobody knows how to ask: an error at once, not vectors of a wrong prompt."""
    with pytest.raises(ModelError, match="no chat template"):
        E5V(checkpoints("no_template"))


def test_remote_code_is_off(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Python that comes with a checkpoint must not run unless asked for."""
    folder = tmp_path / "remote"
    copytree(checkpoints("llava_next_llama3"), folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "evil.EvilConfig"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError):
        E5V(folder)
    assert not (tmp_path / "ran").exists()


def test_processor_of_another_model(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Image marks that the tokenizer does not have: images would be silently ignored."""
    folder = tmp_path / "mixed"
    copytree(checkpoints("llava_next_llama3"), folder)
    config = json.loads((folder / "config.json").read_text())
    key = "image_token_id" if "image_token_id" in config else "image_token_index"
    config[key] = 50_000
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="marks images with token 50000"):
        E5V(folder)


def test_dtype_by_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 on a machine that emulates it, or float32 on one that is fast at less."""
    cpu = torch.device("cpu")
    for fast, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("e5v.model.devices.has_avx512_bf16", lambda fast=fast: fast)
        assert pick_dtype("auto", cpu) == expected
    assert pick_dtype("float16", cpu) == torch.float16
    with pytest.raises(UsageError, match='dtype is "int4"'):
        pick_dtype("int4", cpu)


def test_device_that_is_not_there(checkpoints: Checkpoints) -> None:
    """A traceback for `cuda` on a machine without a GPU, after minutes of loading."""
    for device in ("toaster", "cuda:77"):
        with pytest.raises(UsageError, match=f'device "{device}" cannot be used here'):
            E5V(checkpoints("llava_15"), device=device)


def test_transformers_is_left_as_it_was(checkpoints: Checkpoints) -> None:
    """A library that silences another for the whole process."""
    import transformers

    before = transformers.utils.logging.get_verbosity()
    load(checkpoints("llava_15"))
    assert transformers.utils.logging.get_verbosity() == before


def test_libraries_are_quiet_only_while_a_model_is_opened() -> None:
    """Catches advice of bitsandbytes to install a package that is not needed, among results."""
    logger = logging.getLogger("bitsandbytes.backends.cpu.ops")
    before = logger.isEnabledFor(logging.WARNING)
    with quiet():
        assert not logger.isEnabledFor(logging.WARNING)
    assert logger.isEnabledFor(logging.WARNING) == before
