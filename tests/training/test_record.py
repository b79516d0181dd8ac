"""A resumed run has the same data, teacher and model, wherever they are and however named."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e5v.errors import UsageError
from e5v.training import record as module
from e5v.training import stored_rows
from e5v.training.recipe import Objective, Recipe
from e5v.training.run import Run
from e5v.training.run_folder import RunFolder

Checkpoints = Callable[[str], Path]


@pytest.fixture
def run(checkpoints: Checkpoints, nli: Path, tmp_path: Path) -> Run:
    """Give a run with a teacher."""
    model = tmp_path / "model"
    shutil.copytree(checkpoints("llava_next_llama3"), model)
    np.save(tmp_path / "teacher.npy", np.eye(40, dtype=np.float32))
    recipe = Recipe(batch=8, objective=Objective(teacher=tmp_path / "teacher.npy"))
    return Run(str(model), (nli,), tmp_path / "run", recipe, dtype="float32", device="cpu")


def _begin(run: Run) -> None:
    RunFolder(run.out).begin(run.record(run.read_data()), 0)


def _resume(run: Run) -> None:
    RunFolder(run.out).check(run.record(run.read_data()), resume=True)


def _with_teacher(run: Run, teacher: Path) -> Run:
    return replace(run, recipe=replace(run.recipe, objective=Objective(teacher=teacher)))


def test_another_path_is_the_same_run(
    run: Run, nli: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of days that is refused for a relative path, a link, or a folder that has moved."""
    _begin(run)
    told = json.loads((run.out / "recipe.json").read_text())
    assert told["data"] == [str(nli)]
    assert told["teacher"] == str(tmp_path / "teacher.npy")
    assert told["parts"] == [{"rows": 40}]
    (tmp_path / "link.csv").symlink_to(nli)
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "teacher.npy", tmp_path / "other" / "same.npy")
    shutil.copytree(run.model, tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    for data in (Path("nli.csv"), tmp_path / "other" / ".." / "nli.csv", Path("link.csv")):
        _resume(replace(run, data=(data,)))
    _resume(_with_teacher(run, Path("other/same.npy")))
    for model in ("model", "./moved", str(tmp_path / "moved")):
        _resume(replace(run, model=model))


def test_another_content_is_another_run(run: Run, nli: Path, tmp_path: Path) -> None:
    """A run that ends with a model that no data, teacher or model alone would give."""
    _begin(run)
    other = tmp_path / "other.csv"
    other.write_text(nli.read_text().replace("old", "young"))
    with pytest.raises(UsageError, match=rf"started with the data {nli}, got {other}; resume"):
        _resume(replace(run, data=(other,)))
    shutil.copytree(run.model, tmp_path / "tuned")
    weights = tmp_path / "tuned" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UsageError, match=rf"the model {run.model}, got {tmp_path}/tuned; resume"):
        _resume(replace(run, model=str(tmp_path / "tuned")))
    np.save(tmp_path / "teacher.npy", np.full((40, 40), 0.5, np.float32))
    with pytest.raises(UsageError, match=r"teacher\.npy, got one of the same name whose content"):
        _resume(run)
    with pytest.raises(UsageError, match=r"started with the teacher .*teacher\.npy, got None"):
        _resume(replace(run, recipe=Recipe(batch=8)))


def test_equal_rows_in_another_order_of_batches_are_another_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are equal, in files that are cut or shuffled otherwise."""
    texts = [{"anchor": f"a{n}", "positive": f"p{n}"} for n in range(40)]
    for name, rows in (("all", texts), ("one", texts[:10]), ("two", texts[10:])):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    pq.write_table(pa.Table.from_pylist(texts), tmp_path / "all.parquet", row_group_size=10)
    run = replace(run, data=(tmp_path / "all.jsonl",))
    _begin(run)
    halves = replace(run, data=(tmp_path / "one.jsonl", tmp_path / "two.jsonl"))
    with pytest.raises(UsageError, match=r"with parts \[{'rows': 40}\], got \[{'rows': 10}, {'ro"):
        _resume(halves)
    _resume(replace(run, data=(tmp_path / "all.parquet",)))  # in memory, it is shuffled alike
    monkeypatch.setattr(stored_rows, "IN_MEMORY", 0)
    _resume(run)
    with pytest.raises(UsageError, match=r"'groups': 4, 'together': "):
        _resume(replace(run, data=(tmp_path / "all.parquet",)))


def test_a_run_of_an_older_version_goes_on(run: Run, tmp_path: Path) -> None:
    """A run that is refused because its record says less."""
    _begin(run)
    file = run.out / "recipe.json"
    new = {"parts", "model_content", "teacher_content", "tiling"}
    told = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in told.items() if key not in new}))
    _resume(run)
    shutil.copy(tmp_path / "teacher.npy", tmp_path / "same.npy")
    with pytest.raises(UsageError, match=r"teacher\.npy, got .*same\.npy"):
        _resume(_with_teacher(run, tmp_path / "same.npy"))


def test_large_weights_are_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes of reading before every run, or a model that is told from no other of its size."""
    monkeypatch.setattr(module, "WHOLE", 1000)
    monkeypatch.setattr(module, "SAMPLE", 100)
    file = tmp_path / "model.safetensors"
    digests: set[Any] = set()
    for value in (0, 1):
        file.write_bytes(bytes([value]) * 100_000)
        digests.add(module.digest_model(str(tmp_path)))
        (tmp_path / "README.md").write_text(f"card {value}")
        digests.add(module.digest_model(str(tmp_path)))
    assert len(digests) == 2
    assert module.digest_model("somebody/model") is None
    assert module.digest_model("nano-base")
