"""Trackers: what they show of a run, when it is resumed, and when they fail."""

import json
import sys
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from e5v.errors import MissingExtraError, TrainingError, UsageError
from e5v.training.recipe import Recipe
from e5v.training.run import Begun, Measured, Step
from e5v.training.trackers import TRACKERS, Event, TrackedRun, check_trackers, track
from e5v.training.trainer import train
from e5v.training.validation import Measures

Shown = Mapping[str, Mapping[int, float]]


class Noting:
    """A tracker that notes what it is told, and fails at one act if it is told to."""

    def __init__(self, fails_at: str = "") -> None:
        self.fails_at = fails_at
        self.told: list[tuple[Any, ...]] = []

    def _note(self, *told: Any) -> None:
        self.told.append(told)
        if told[0] == self.fails_at:
            raise OSError(28, "No space left on device")

    def open(self, run: TrackedRun) -> None:
        """Note the run."""
        self._note("open", run.folder, dict(run.settings), run.step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Note the values."""
        self._note("log", step, dict(values))

    def close(self) -> None:
        """Note the end."""
        self._note("close")


def run_of(*steps: int, first: int = 0) -> Generator[Event, None, None]:
    """Yield the records of a run with some steps, each with a measurement."""
    yield Begun(rows=9, broken=(), left_out=0, weights=7, step=first)
    for step in steps:
        yield Step(step, 1 / step, 0.5, 1e-3, 1.0, 100, 0, seconds=2.0, seconds_left=1.0)
        yield Measured(step, Measures(text_recall=0.25 * step))


def read_back(folder: Path) -> Shown:
    """Return what TensorBoard shows of a folder: names, steps, values."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder)).Reload()
    tags = events.Tags()["scalars"]
    return {tag: {one.step: one.value for one in events.Scalars(tag)} for tag in tags}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of a run that has begun."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.json").write_text('{"lr": 0.1}')
    return tmp_path / "run"


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Noting]:
    """Put a tracker of one's own among the others."""

    def put(name: str, fails_at: str = "") -> Noting:
        made = Noting(fails_at)
        monkeypatch.setattr("e5v.training.trackers.TRACKERS", {**TRACKERS, name: lambda: made})
        return made

    return put


def test_what_a_tracker_is_told(folder: Path, noting: Callable[..., Noting]) -> None:
    """Values that the log has and the tracker has not, or that are put under another step."""
    tracker = noting("mine")
    events = list(run_of(3, first=2))
    assert list(track(run_of(3, first=2), folder, ("mine",))) == events
    opened, stepped, measured, closed = tracker.told
    assert opened == ("open", folder, {"lr": 0.1}, 2)
    assert stepped[:2] == ("log", 3)
    assert stepped[2]["train/loss"] == pytest.approx(1 / 3)
    assert stepped[2]["train/tokens_per_second"] == 50
    assert measured == ("log", 3, {"validation/text_recall": 0.75})
    assert closed == ("close",)


@pytest.mark.parametrize("fails_at", ["open", "log", "close"])
def test_a_tracker_that_fails_does_not_stop_the_run(
    folder: Path, noting: Callable[..., Noting], fails_at: str
) -> None:
    """Hours of training lost to a full disk or a network of something that only watches."""
    tracker = noting("mine", fails_at)
    with pytest.warns(UserWarning, match=r"mine failed .*No space left") as warned:
        assert len(list(track(run_of(1, 2), folder, ("mine",)))) == 5
    assert len(warned) == 1
    assert [told[0] for told in tracker.told].count(fails_at) == 1
    assert tracker.told[-1][0] == fails_at


def test_a_run_that_fails_is_closed(folder: Path, noting: Callable[..., Noting]) -> None:
    """A run that a tracker shows as going on for ever, and an error that is swallowed."""

    def failing() -> Generator[Event, None, None]:
        yield from run_of(1)
        raise TrainingError("the loss is not finite")

    tracker = noting("mine")
    with pytest.raises(TrainingError):
        list(track(failing(), folder, ("mine",)))
    assert tracker.told[-1] == ("close",)


def test_other_processes_track_nothing(tmp_path: Path) -> None:
    """A run of eight processes that is shown eight times: only the first has records."""
    none: list[Event] = []
    nothing = (event for event in none)
    assert list(track(nothing, tmp_path, ("tensorboard", "wandb"))) == []
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_goes_on_after_a_kill(folder: Path) -> None:
    """Two values of one step, or a second run, where training went back to its checkpoint."""
    pytest.importorskip("tensorboard")
    list(track(run_of(1, 2, 3, 4, 5), folder, ("tensorboard",)))
    again = (
        replace(one, loss=9.0) if isinstance(one, Step) else one for one in run_of(3, 4, first=2)
    )
    list(track(again, folder, ("tensorboard",)))
    shown = read_back(folder / "tensorboard")
    assert shown["train/loss"] == {1: 1.0, 2: 0.5, 3: 9.0, 4: 9.0}
    assert shown["validation/text_recall"] == {1: 0.25, 2: 0.5, 3: 0.75, 4: 1.0}


def test_tensorboard_without_a_disk(folder: Path) -> None:
    """A traceback of a thread, where files cannot be written."""
    pytest.importorskip("tensorboard")
    (folder / "tensorboard").write_text("no folder")
    with pytest.warns(UserWarning, match="tensorboard failed and is not used any more"):
        assert len(list(track(run_of(1), folder, ("tensorboard",)))) == 3


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_service_goes_on_with_the_same_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A second run in the list for each time that training was resumed."""
    begun: list[dict[str, Any]] = []
    run = Noting()
    library: Any = ModuleType(name)
    library.init = lambda **given: begun.append(given) or run  # type: ignore[func-returns-value]
    run.finish = run.close  # type: ignore[attr-defined]
    monkeypatch.setattr(run, "log", lambda values, step: run.told.append((step, values)))
    monkeypatch.setitem(sys.modules, name, library)
    list(track(run_of(1, 2), folder, (name,)))
    list(track(run_of(3, first=2), folder, (name,)))
    assert begun[0] == begun[1]
    assert begun[0]["resume"] == "allow"
    assert begun[0]["config"] == {"lr": 0.1}
    assert begun[0]["name"].startswith("run")
    steps = [told[0] for told in run.told if "train/loss" in told[-1]]
    assert steps == [1, 2, 3]
    identified = json.loads((folder / "tracking.json").read_text())["id"]
    assert identified in f"{begun[0].get('id')} {begun[0]['name']}"


def test_a_run_is_shown_in_tensorboard(
    checkpoints: Callable[[str], Path], nli: Path, short: Recipe, tmp_path: Path
) -> None:
    """A training whose numbers are others in TensorBoard than in its log."""
    pytest.importorskip("tensorboard")
    model, out = str(checkpoints("llava_next_llama3")), tmp_path / "run"
    train(
        model, nli, out, recipe=replace(short, steps=2), evaluation=nli, every=1,
        track=("tensorboard",), dtype="float32", device="cpu",
    )  # fmt: skip
    shown = read_back(out / "tensorboard")
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    losses = {line["step"]: line["loss"] for line in lines if "loss" in line}
    recalls = {line["step"]: line["text_recall"] for line in lines if "text_recall" in line}
    assert shown["train/loss"] == pytest.approx(losses, rel=1e-6)
    assert shown["validation/text_recall"] == pytest.approx(recalls, rel=1e-6)
    assert recalls.keys() == {0, 1, 2}


def test_trackers_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name or a library that is missed after the model is loaded."""
    with pytest.raises(
        UsageError, match="track has 'mlflow'; expected tensorboard, wandb, trackio"
    ):
        check_trackers(("mlflow",))
    monkeypatch.setattr("e5v.extras.is_installed", lambda _: False)
    with pytest.raises(MissingExtraError, match=r"needs wandb, .*pip install 'e5v\[track\]'"):
        check_trackers(("wandb",))
