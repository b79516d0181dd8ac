"""A run's folder: nothing half-written, nothing of another run, nothing lost."""

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from e5v.errors import TrainingError, UsageError
from e5v.training.run_folder import RunFolder, write_folder

RECIPE = {"model": "m", "lr": 1e-3, "data": ["a.csv"]}


@dataclass(frozen=True)
class _Line:
    step: int

    def line(self) -> dict[str, int]:
        return {"step": self.step}


def _begun(path: Path) -> RunFolder:
    folder = RunFolder(path)
    folder.check(RECIPE, resume=False)
    folder.begin(RECIPE, 0)
    return folder


def test_an_older_run_has_the_usual_tiling(tmp_path: Path) -> None:
    """Catches a run that cannot be resumed since its recipe was written by an older version."""
    folder = _begun(tmp_path / "run")
    folder.check(RECIPE | {"tiling": "correct"}, resume=True)
    with pytest.raises(UsageError, match=r"with tiling correct, got transformers-4\.41"):
        folder.check(RECIPE | {"tiling": "transformers-4.41"}, resume=True)


def test_the_last_checkpoint_stands_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day's work deleted to make room for a checkpoint that does not fit."""
    folder = _begun(tmp_path / "run")
    folder.save(50, {"weights": b"good"})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        TrainingError,
        match=r"No space left.*checkpoint-000050 is kept.*fix the cause and resume the run",
    ):
        folder.save(100, {"weights": b"torn"})
    assert sorted(path.name for path in folder.path.glob("checkpoint*")) == ["checkpoint-000050"]
    latest = folder.latest()
    assert latest is not None
    assert (latest / "weights").read_bytes() == b"good"


def test_a_checkpoint_half_written_by_a_kill_is_none(tmp_path: Path) -> None:
    """A run that is resumed from half a file."""
    folder = _begun(tmp_path / "run")
    folder.save(50, {"weights": b"good"})
    torn = folder.path / ".checkpoint-000100.1.part"
    torn.mkdir()
    (torn / "weights").write_bytes(b"to")
    assert folder.latest() == folder.path / "checkpoint-000050"
    folder.save(100, {"weights": b"whole"})
    names = {path.name for path in folder.path.iterdir()}
    assert names == {"recipe.json", "log.jsonl", "checkpoint-000100"}


def test_another_run_is_not_overwritten(tmp_path: Path) -> None:
    """Yesterday's run, lost to today's."""
    folder = _begun(tmp_path / "run")
    with pytest.raises(UsageError, match="already contains a run; resume it or name another"):
        folder.check(RECIPE, resume=False)
    with pytest.raises(UsageError, match=r"was started with lr 0.001, got 0.1"):
        folder.check(RECIPE | {"lr": 0.1}, resume=True)
    folder.check(RECIPE, resume=True)
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "thesis.txt").touch()
    with pytest.raises(UsageError, match="exists and is not a run"):
        RunFolder(tmp_path / "else").check(RECIPE, resume=True)


def test_a_refused_run_leaves_its_folder_free(tmp_path: Path) -> None:
    """Catches a folder taken for something else because of the files of a lock."""
    folder = RunFolder(tmp_path / "run")
    with folder.held():
        pass
    folder.check(RECIPE, resume=False)


def test_lines_of_steps_that_are_made_again_are_dropped(tmp_path: Path) -> None:
    """A log with some steps twice, or one that a torn line makes unreadable."""
    folder = _begun(tmp_path / "run")
    for step in range(1, 6):
        folder.append(_Line(step))
    with folder.log.open("a") as log:
        log.write('{"step": 6, "lo')
    folder.begin(RECIPE, 3)
    lines = [json.loads(line)["step"] for line in folder.log.read_text().splitlines()]
    assert lines == [1, 2, 3]


def test_folders_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    """A result without its configuration."""
    with pytest.raises(TypeError):
        write_folder(tmp_path / "adapter", {"a": b"1", "b": None})  # type: ignore[dict-item]
    assert list(tmp_path.iterdir()) == []


def test_what_a_user_keeps_beside_the_checkpoints_stays(tmp_path: Path) -> None:
    """A copy that is deleted or gone on from, and a link at which a night's run dies."""
    folder = _begun(tmp_path / "run")
    folder.save(50, {"weights": b"good"})
    (folder.path / "checkpoint-000050-keep").mkdir()
    (folder.path / "checkpoint-latest").symlink_to("checkpoint-000050")
    folder.save(100, {"weights": b"better"})
    assert folder.latest() == folder.path / "checkpoint-000100"
    names = sorted(path.name for path in folder.path.glob("checkpoint*"))
    assert names == ["checkpoint-000050-keep", "checkpoint-000100", "checkpoint-latest"]


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff"])
def test_a_recipe_that_is_none_is_told(tmp_path: Path, content: bytes) -> None:
    """A traceback where a file is damaged, or somebody else's."""
    (tmp_path / "recipe.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"recipe\.json is not the recipe of a run; name another"):
        RunFolder(tmp_path).check(RECIPE, resume=True)
