"""A checkpoint's files: what is read from them, what is written over, and folders whole or not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from e5v.checkpoints.tensors import new_folder, open_weights
from e5v.errors import ModelError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a checkpoint of two files and an index."""
    shards = {
        "model-00001-of-00002.safetensors": {
            "a": torch.arange(6.0).reshape(2, 3),
            "b": torch.tensor([1, 2, 3]),
        },
        "model-00002-of-00002.safetensors": {
            "c": torch.full((4, 2), float("nan"), dtype=torch.bfloat16),
            "d": torch.tensor(7.0),
        },
    }
    for file, tensors in shards.items():
        save_file(tensors, tmp_path / file, {"format": "pt"})
    listed = {name: file for file, tensors in shards.items() for name in tensors}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": listed}))
    return tmp_path


def test_every_tensor_is_found_and_read(folder: Path) -> None:
    """An offset that is off: plausible numbers from beside the tensor."""
    weights = open_weights(folder)
    assert weights.files == tuple(sorted(path.name for path in folder.glob("*.safetensors")))
    assert {name: place.shape for name, place in weights.places.items()} == {
        "a": (2, 3),
        "b": (3,),
        "c": (4, 2),
        "d": (),
    }
    for file in weights.files:
        for name, tensor in load_file(folder / file).items():
            read = weights.tensor(name)
            assert read.dtype == tensor.dtype
            assert torch.equal(read.nan_to_num(9), tensor.nan_to_num(9))
            raw = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
            assert weights.content(name) == raw


def test_what_is_written_over_alone_changes(folder: Path) -> None:
    """A neighbour that is overwritten, or a header that no longer fits."""
    weights = open_weights(folder)
    before = {name: weights.content(name) for name in weights.places}
    new = torch.arange(8.0, 16.0, dtype=torch.bfloat16).reshape(2, 4).T  # not contiguous
    weights.overwrite("c", new)
    assert torch.equal(load_file(folder / weights.places["c"].file)["c"], new)
    assert [name for name in before if weights.content(name) != before[name]] == ["c"]
    with pytest.raises(ValueError, match="16 bytes; got 32"):
        weights.overwrite("c", new.float())


def _drop_shard(folder: Path) -> None:
    (folder / "model-00002-of-00002.safetensors").unlink()


def _cut_shard(folder: Path) -> None:
    path = folder / "model-00001-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-5])


def _garble_shard(folder: Path) -> None:
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"<html>404: not found</html>")


def _index(content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "model.safetensors.index.json").write_text(content)

    return write


def _make_bin(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "pytorch_model-00001-of-00002.bin").write_bytes(b"")


def _empty(folder: Path) -> None:
    (folder / "model.safetensors.index.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_drop_shard, r"lacks 1 of 2 files of weights \(model-00002"),
        (_cut_shard, "expected .*: download it again"),
        (_garble_shard, "is not a safetensors file"),
        (_index("{}"), "is broken: KeyError"),
        (_index("[]"), "is broken: TypeError"),
        (_index('{"weight_map": ["a"]}'), "is broken: AttributeError"),
        (_index('{"weight_map": {"a": 1}}'), "is broken: TypeError"),
        (_make_bin, r"in pytorch_model-00001-of-00002\.bin; expected safetensors"),
        (_empty, "neither model.safetensors nor model.safetensors.index.json"),
    ],
)
def test_broken_files_are_told(folder: Path, spoil: Callable[[Path], None], told: str) -> None:
    """A half-downloaded checkpoint, copied as far as it goes."""
    spoil(folder)
    with pytest.raises(ModelError, match=told) as caught:
        open_weights(folder)
    assert "\n" not in str(caught.value)


def _begin(target: Path, end: BaseException) -> None:
    with new_folder(target) as folder:
        (folder / "half").touch()
        assert not target.exists()
        raise end


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """Half a model under the name of a whole one, or what is left of it beside."""
    target = tmp_path / "new"
    for end in (OSError(28, "No space left on device"), SystemExit(143), KeyboardInterrupt()):
        with pytest.raises(type(end)):
            _begin(target, end)
        assert list(tmp_path.iterdir()) == []
    with new_folder(target) as folder:
        (folder / "whole").touch()
    assert list(tmp_path.rglob("*")) == [target, target / "whole"]


def test_a_folder_that_is_there_stays(tmp_path: Path) -> None:
    """Somebody's model that is written over; an empty folder is nobody's."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "config.json").touch()
    (tmp_path / "file").touch()
    for taken in (tmp_path / "full", tmp_path / "file"):
        with pytest.raises(UsageError, match="already exists"), new_folder(taken):
            pass
    nowhere = new_folder(tmp_path / "no" / "where")
    with pytest.raises(UsageError, match="does not exist; create it first"), nowhere:
        pass
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty") as folder:
        (folder / "config.json").touch()
    assert (tmp_path / "empty" / "config.json").exists()
