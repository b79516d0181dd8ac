"""An adapter by its name: its folder, a training run, the hub's cache; and the model it names."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants

from e5v import E5V, ModelError, UsageError
from e5v.model import hub
from e5v.model.adapters import Source, fetch_adapter, find_run, find_source
from e5v.model.downloads import download_size
from e5v.model.loading import load
from tests.adapters import edit_config, write_adapter

Checkpoints = Callable[[str], Path]
LLAMA = "llava_next_llama3"
COMMIT = "a" * 40


def _write(folder: Path, base: object = "nano-base", *files: str) -> Path:
    """Write an adapter's config, and empty files beside it."""
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": base}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    for file in files:
        (folder / file).write_text("{}")
    return folder


def _refusal(name: object, adapter: object = None) -> str:
    with pytest.raises((ModelError, UsageError)) as caught:
        find_source(name, adapter)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert "--" not in message
    return message


def test_a_run_knows_its_model(tmp_path: Path) -> None:
    """Catches a recipe that is overlooked, or an adapter whose own base is."""
    run = tmp_path / "run"
    adapter = _write(run / "adapter", "some/model")
    assert find_run(adapter).source == "some/model"
    assert find_run(run).adapter == adapter
    (run / "recipe.json").write_text(json.dumps({"model": "other/model", "steps": 3}))
    found = find_run(run)
    assert (found.source, found.recipe["steps"]) == ("other/model", 3)
    (run / "recipe.json").unlink()
    edit_config(adapter, base_model_name_or_path=None)
    assert find_run(run).source is None
    with pytest.raises(UsageError, match=r"has no adapter; expected adapter_config\.json"):
        find_run(tmp_path / "mistyped")
    (adapter / "adapter_config.json").write_text("[1")
    with pytest.raises(UsageError, match="is not a JSON object"):
        find_run(run)


def test_an_adapter_names_its_model(tmp_path: Path) -> None:
    """Catches an adapter put onto nothing, or onto another model than the one that is given."""
    adapter = _write(tmp_path / "run" / "adapter")
    base = find_source("nano-base")
    assert (base.base, base.adapter) == ("nano-base", None)
    for place in (adapter, adapter.parent):
        expected = Source(base.checkpoint, "nano-base", str(place))
        assert find_source(place) == find_source("nano-base", place) == expected
        assert fetch_adapter(str(place)) == adapter
    whole = _write(tmp_path / "whole", "nano-base", "config.json", "model.safetensors")
    (whole / "adapter_config.json").unlink()
    assert find_source(whole, adapter) == Source(str(whole), str(whole), str(adapter))
    tuned = find_source("nano")
    assert tuned.adapter is not None
    assert tuned.checkpoint == base.checkpoint


def test_what_is_no_adapter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a model without the adapter that was asked for, and an adapter put onto another."""
    monkeypatch.chdir(tmp_path)
    _write(Path("adapter"))
    _write(Path("whole"), None, "config.json", "model.safetensors")
    assert "whole has an adapter and a whole model; to choose the adapter" in _refusal("whole")
    assert find_source("nano-base", "whole").adapter == "whole"
    (tmp_path / "whole" / "adapter_config.json").unlink()
    assert "whole is a whole model, not an adapter" in _refusal("nano-base", "whole")
    Path("empty").mkdir()
    assert _refusal("nano-base", "empty").startswith(
        "empty has no adapter; expected adapter_config"
    )
    assert _refusal("nano-base", "./gone") == "there is no folder ./gone"
    assert "is of type int" in _refusal("nano-base", 3)
    assert "adapter is an adapter, not a model" in _refusal("adapter", "adapter")
    assert _refusal("nano", "adapter") == "nano is nano-base with an adapter; give nano-base"


@pytest.mark.parametrize(
    ("base", "told"),
    [
        (None, "run does not name the model that it was trained on; name that model"),
        ("/gone/base", "and there is no folder /gone/base; name that model where you have it"),
        ("nano", "nano is nano-base with an adapter; give nano-base"),
        ("./other", "other is an adapter, not a model"),
    ],
)
def test_a_base_that_cannot_be_found(
    base: object, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a message about a path that the user never wrote, without what to do."""
    monkeypatch.chdir(tmp_path)
    _write(Path("other"))
    _write(Path("run"), base)
    assert told in _refusal("run")


def test_a_run_is_opened_by_its_folder(
    checkpoints: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a run that opens untuned, and one that another process does not find."""
    base = checkpoints(LLAMA)
    adapter = write_adapter(tmp_path / "run" / "adapter", base)
    (tmp_path / "run" / "recipe.json").write_text(json.dumps({"model": str(base)}))
    edit_config(adapter, base_model_name_or_path="/gone/base")
    monkeypatch.chdir(tmp_path)
    run, given = (
        E5V(name, adapter=one, device="cpu") for name, one in (("run", None), (base, "run"))
    )
    monkeypatch.chdir(tmp_path.parent)
    models = [run, given, pickle.loads(pickle.dumps(run)), pickle.loads(pickle.dumps(given))]
    first, *others = (model.encode(["a dog"]) for model in models)
    assert all(np.array_equal(first, other) for other in others)
    assert not np.allclose(first, E5V(base, device="cpu").encode(["a dog"]))
    with pytest.raises(UsageError, match="an open model takes no adapter"):
        E5V(load(base, device="cpu"), adapter=adapter)


def _cache(home: Path, name: str, files: Path) -> Path:
    """Put a copy of a folder into the hub's cache."""
    place = home / f"models--{name.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    return copytree(files, place / "snapshots" / COMMIT)


@pytest.mark.parametrize("reached", [False, True])
def test_an_adapter_on_the_hub(
    reached: bool,  # noqa: FBT001  a parameter of the test
    checkpoints: Checkpoints,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches an adapter's id whose base is not asked for, and one that is not found offline."""
    home = tmp_path / "cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home))
    _cache(home, "some/base", checkpoints(LLAMA))
    adapter = write_adapter(tmp_path / "adapter", checkpoints(LLAMA))
    edit_config(adapter, base_model_name_or_path="some/base")
    folder = _cache(home, "some/adapter", adapter)
    if reached:
        names = {"some/adapter": [path.name for path in adapter.iterdir()]}
        names["some/base"] = [path.name for path in checkpoints(LLAMA).iterdir()]
        monkeypatch.setattr(hub, "file_names", names.__getitem__)
    found = find_source("some/adapter")
    assert (found.base, found.adapter) == ("some/base", "some/adapter" if reached else str(folder))
    assert found.adapter is not None
    assert fetch_adapter(found.adapter) == folder
    assert find_source("some/base", "some/adapter") == found
    ours = E5V("some/adapter", dtype="float32", device="cpu").encode(["a dog"])
    same = E5V(checkpoints(LLAMA), adapter=adapter, dtype="float32", device="cpu")
    assert np.array_equal(ours, same.encode(["a dog"]))


def test_the_download_of_an_adapter_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a gigabyte that is downloaded without a word, and files that are not."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    files = {"adapter_config.json": 900, "adapter_model.bin": 5_000, "README.md": 100}
    siblings = [type("File", (), {"rfilename": name, "size": size}) for name, size in files.items()]
    record: Any = type("Record", (), {"siblings": siblings, "sha": COMMIT, "safetensors": None})
    monkeypatch.setattr(hub, "file_names", lambda _: list(files))
    monkeypatch.setattr("e5v.model.downloads.model_info", lambda _: record)
    found = download_size("nano-base", "some/adapter")
    assert found is not None
    assert (found.files, found.size, found.memory) == (2, 5_900, 0)
    assert download_size("nano-base") is None
