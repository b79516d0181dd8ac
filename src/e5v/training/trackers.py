"""Show a run in the trackers that people use: TensorBoard, Weights & Biases, Trackio.

fit -> Begun | Step | Measured -> track -> the same records, and values by name to every tracker

A tracker only watches: one that fails is dropped with one warning, and the training goes on. The
log and the plot of the run folder are written without them. Under torchrun, the first process alone
has records, and so trackers.
"""

import json
import secrets
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from e5v.errors import UsageError, first_line
from e5v.extras import need
from e5v.files import write_file
from e5v.training.run import Begun, Measured, Step
from e5v.training.run_folder import RECIPE
from e5v.training.tensorboard_files import EventFile

PROJECT = "e5v"
ID_FILE = "tracking.json"  # in the run folder: the run's id with the trackers, for resuming
Event = Begun | Step | Measured


@dataclass(frozen=True)
class TrackedRun:
    """A run as trackers know it: `settings` are its recipe, `step` the steps done before."""

    folder: Path
    settings: Mapping[str, Any]
    step: int

    @property
    def id(self) -> str:
        """An id that stays when the run is resumed; kept in the run folder."""
        file = self.folder / ID_FILE
        if not file.exists():
            write_file(file, json.dumps({"id": secrets.token_hex(4)}) + "\n")
        return str(json.loads(file.read_text(encoding="utf-8"))["id"])


class Tracker(Protocol):
    """Where a run is shown."""

    def open(self, run: TrackedRun) -> None:
        """Begin a run, or go on with it."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Show values by name after a step, from 1; 0 is before the first."""

    def close(self) -> None:
        """End the run."""


class TensorBoard:
    """Writes the folder `tensorboard` of the run folder, for `tensorboard --logdir`."""

    def open(self, run: TrackedRun) -> None:
        """Begin a file; values of later steps than the run resumes at are hidden by it."""
        self._file = EventFile(run.folder / "tensorboard", run.step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write values at once."""
        self._file.write(step, values)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class WandB:
    """Logs to Weights & Biases, or to files in the run folder with WANDB_MODE=offline."""

    def open(self, run: TrackedRun) -> None:
        """Begin a run, or go on with it under the same id."""
        self._run = import_module("wandb").init(
            project=PROJECT,
            name=run.folder.resolve().name,
            id=run.id,
            dir=str(run.folder),
            config=dict(run.settings),
            resume="allow",
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send values."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """End the run."""
        self._run.finish()


class Trackio:
    """Logs to Trackio, which keeps runs on this machine unless it is told otherwise."""

    def open(self, run: TrackedRun) -> None:
        """Begin a run, or go on with it under the same name."""
        self._run = import_module("trackio").init(
            project=PROJECT,
            name=f"{run.folder.resolve().name}-{run.id}",
            config=dict(run.settings),
            resume="allow",
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Store values."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """End the run."""
        self._run.finish()


TRACKERS: Mapping[str, Callable[[], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "trackio": Trackio,
}


def check_trackers(names: tuple[str, ...]) -> None:
    """Check that trackers are known and installed.

    Raises:
        UsageError: one is not known.
        MissingExtraError: its library is missing.
    """
    for name in names:
        if name not in TRACKERS:
            raise UsageError(
                f"track has {name!r}; expected {', '.join(TRACKERS)}", argument="track"
            )
        need(f"tracking with {name}", name)


def track(
    events: Generator[Event, None, None], folder: Path, names: tuple[str, ...]
) -> Generator[Event, None, None]:
    """Yield the records of a run, and show the values of its steps and measurements.

    Raises:
        E5VError: whatever training raises; trackers raise nothing.
    """
    trackers: dict[str, Tracker] = {}  # that are open
    try:
        with closing(events):
            for event in events:
                if isinstance(event, Begun):
                    trackers = {name: TRACKERS[name]() for name in names}
                    _open(event, folder, trackers)
                else:
                    _show(event, trackers)
                yield event
    finally:
        for name, tracker in list(trackers.items()):
            _guard(trackers, name, tracker.close)


def _open(begun: Begun, folder: Path, trackers: dict[str, Tracker]) -> None:
    if not trackers:
        return
    recipe = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
    run = TrackedRun(folder, recipe, begun.step)
    for name, tracker in list(trackers.items()):
        _guard(trackers, name, partial(tracker.open, run))


def _show(event: Step | Measured, trackers: dict[str, Tracker]) -> None:
    """Give the trackers the values of a record."""
    group = "train" if isinstance(event, Step) else "validation"
    line = event.line().items()
    values = {f"{group}/{key}": value for key, value in line if key != "step" and value is not None}
    for name, tracker in list(trackers.items()):
        _guard(trackers, name, partial(tracker.log, event.step, values))


def _guard(trackers: dict[str, Tracker], name: str, act: Callable[[], None]) -> None:
    """Act; a tracker that fails is dropped, with a warning."""
    try:
        act()
    except Exception as error:  # of any library, its network or the disk
        del trackers[name]
        warnings.warn(
            f"{name} failed and is not used any more ({first_line(error)}); the training goes on, "
            "and its log has all values",
            stacklevel=2,
        )
