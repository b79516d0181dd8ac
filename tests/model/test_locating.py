"""What a name stands for: one line for whatever is no model, before anything heavy is imported."""

from collections.abc import Callable
from pathlib import Path

import pytest

from e5v import E5V, ModelError
from e5v.model import hub
from e5v.model.locating import FoundAdapterError, absolute_name, find_model

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files into an empty current folder."""
    monkeypatch.chdir(tmp_path)

    def files(*names: str, content: str = "{}") -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        return tmp_path

    return files


def _refusal(name: str) -> str:
    with pytest.raises(ModelError) as caught:
        find_model(name)
    message = str(caught.value)
    assert "\n" not in message
    assert "--" not in message
    return message


def test_an_adapter_or_a_run_is_named(write: Write) -> None:
    """What `e5v train` leaves, given as a model to merge into: it lacks a config.json, so what?"""
    write(
        "run/recipe.json",
        "run/adapter/adapter_config.json",
        "open/checkpoint-000010/adapter_config.json",
        "none/recipe.json",
    )
    for name, kind in (("run", "a training run"), ("run/adapter", "an adapter")):
        with pytest.raises(FoundAdapterError) as caught:
            find_model(name)
        assert caught.value.place == name
        assert str(caught.value) == (
            f"{name} is {kind}, not a model; merge it into its model with e5v merge {name}"
        )
    assert _refusal("open").endswith("with e5v merge open/checkpoint-000010")
    assert _refusal("none") == "none is a training run without an adapter, not a model; finish it"


def test_an_adapter_beside_a_whole_model_is_refused(write: Write) -> None:
    """A folder from which transformers would open the adapter's own base model instead."""
    write("both/config.json", "both/model.safetensors", "both/adapter_config.json")
    assert "both has an adapter and a whole model" in _refusal("both")


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        (("m/a.gguf",), "m", "m contains GGUF weights"),
        (("m/config.json", "m/a.gguf"), "m", "m contains GGUF weights"),
        (("m/config.json", "m/onnx/model.onnx"), "m", "m contains an ONNX graph"),
        (("m/a.gguf",), "m/a.gguf", "m/a.gguf is GGUF weights"),
        (("m/model.safetensors",), "m/model.safetensors", "is a file; expected the folder"),
        (("m/notes.txt",), "m", "m is a folder without config.json"),
        (("m/config.json",), "m/config.json", "is a file; expected the folder"),
    ],
)
def test_other_files_are_named(
    write: Write, files: tuple[str, ...], name: str, message: str
) -> None:
    """A long complaint of transformers about a file that it cannot open."""
    write(*files)
    assert message in _refusal(name)


def test_a_model_in_a_folder_within(write: Write) -> None:
    """A folder of sentence-transformers whose own model is one level below."""
    write("st/modules.json", "st/1_Pooling/config.json")
    write("st/0_Transformer/config.json", content='{"model_type": "qwen3_vl"}')
    assert _refusal("st") == (
        "st has no config.json, but has 0_Transformer/config.json; give st/0_Transformer"
    )


def test_a_name_does_not_suggest_itself(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches "did you mean royokong/e5-v?" where that was asked for and cannot be reached."""
    write()

    def unreachable(name: str) -> list[str]:
        raise hub.NotFoundError(f"reachable: {name}")

    monkeypatch.setattr(hub, "file_names", unreachable)
    monkeypatch.setattr(hub, "cached_names", lambda: ["royokong/e5-v"])
    assert "did you mean" not in _refusal("royokong/e5-v")
    assert _refusal("royokong/e5v").endswith("; did you mean royokong/e5-v?")


def test_a_name_that_holds_in_every_folder(write: Write) -> None:
    """A relative folder that another process does not find."""
    folder = write("here/config.json")
    assert absolute_name("here") == str(folder / "here")
    assert absolute_name("nano") == "nano"
    assert absolute_name("some/model") == "some/model"


@pytest.mark.parametrize("model", [None, 3])
def test_a_model_of_another_type_is_refused(model: object) -> None:
    """Catches a search on the hub for a model that is called "None"."""
    with pytest.raises(ModelError, match=r"is of type (NoneType|int); expected a name or folder"):
        E5V(model)  # type: ignore[arg-type]
