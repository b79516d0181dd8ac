"""`e5v merge`: checks shown, a folder written if they pass, and only then."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import e5v.checkpoints.merge_checks
import e5v.checkpoints.tensors
from e5v import E5V
from e5v.cli import main
from e5v.model.verify import Check
from tests.adapters import edit_config, write_adapter
from tests.verbs.done import Run


@pytest.fixture
def trained(folder: str, tmp_path: Path) -> Path:
    """Give what a training run leaves."""
    run = tmp_path / "run"
    run.mkdir()
    write_adapter(run / "adapter", Path(folder))
    (run / "recipe.json").write_text(json.dumps({"model": folder, "steps": 10}))
    return run


def test_merge_proves_and_writes(run: Run, trained: Path, model: E5V, tmp_path: Path) -> None:
    """A merge whose checks are not all made, or whose result is not what was checked."""
    done = run("merge", trained, "--out", tmp_path / "tuned")
    assert done.code == 0, done.out + done.err
    assert len(done.lines) > 8
    assert all(line["passed"] for line in done.lines)
    assert f"into {tmp_path / 'tuned'}" in done.err
    tuned = E5V(tmp_path / "tuned", dtype="float32")
    assert np.abs(tuned.encode(["a dog"]) - model.encode(["a dog"])).max() > 1e-3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "tuned"]


@pytest.mark.parametrize("known", ["recipe", "adapter", "neither"])
def test_the_model_is_known_from_the_run(
    folder: str, trained: Path, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    """A merge into some default model, when the run says which one it was."""
    monkeypatch.setattr(e5v.checkpoints.merge_checks, "prove", lambda *_, **__: iter(()))
    if known != "recipe":
        (trained / "recipe.json").unlink()
    base = folder if known == "adapter" else None
    edit_config(trained / "adapter", base_model_name_or_path=base)
    source = trained / "adapter" if known == "adapter" else trained
    out = trained.with_name("tuned")
    code = main(["merge", str(source), "--out", str(out)])
    assert (code, out.exists()) == ((2, False) if known == "neither" else (0, True))


def test_a_failed_check_leaves_nothing(
    run: Run, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder under the name of a good model that the checks have just refused."""

    def prove(merged: object, **options: object) -> Iterator[Check]:
        usual = {"device": None, "trust_remote_code": False, "tiling": "correct"}
        assert options == usual | {"dtype": "float32"}
        yield Check("first", passed=False, figure="9", limit="1")
        yield Check("last", passed=True, figure="0", limit="1")

    monkeypatch.setattr(e5v.checkpoints.merge_checks, "prove", prove)
    done = run("merge", trained, "--out", tmp_path / "tuned")
    assert done.code == 1
    assert [line["name"] for line in done.lines] == ["first", "last"]
    assert "a check failed" in done.err
    assert list(tmp_path.iterdir()) == [trained]


ENDS = {
    OSError(28, "No space left on device", "x"): (1, "e5v: x: No space left on device\n"),
    KeyboardInterrupt(): (130, "e5v: interrupted\n"),
}


@pytest.mark.parametrize("error", ENDS)
def test_what_ends_it_half_way_leaves_nothing(
    run: Run,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    """A full disk, or Ctrl-C, that leaves half a model behind."""

    def overwrite(*_: object) -> None:
        raise error

    monkeypatch.setattr(e5v.checkpoints.tensors.Weights, "overwrite", overwrite)
    done = run("merge", trained, "--out", tmp_path / "tuned")
    assert (done.code, done.err) == ENDS[error]
    assert list(tmp_path.iterdir()) == [trained]


def test_a_folder_that_is_there_is_misuse(run: Run, trained: Path, tmp_path: Path) -> None:
    """An older model that is merged over."""
    done = run("merge", trained, "--out", tmp_path)
    assert done.code == 2
    assert "exists already and is not empty; name a new folder" in done.err
    assert run("merge", tmp_path, "--out", tmp_path / "tuned").code == 2
