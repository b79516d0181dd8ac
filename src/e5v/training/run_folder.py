"""The folder of a run: its options, its log and the checkpoint to resume from.

    RUN/recipe.json          the options, the data and the package versions
    RUN/log.jsonl            one line per step, one line per measurement
    RUN/checkpoint-000050/   adapter, optimiser and step; only the latest complete one is kept
    RUN/adapter/             the result, as peft reads it
    RUN/training.png         plot of the log

Folders are written under a temporary name and renamed when complete, so the last checkpoint
survives any failure.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from e5v.errors import TrainingError, UsageError
from e5v.files import LOCKS, locked, remove_temporary, replace_folder, write_file
from e5v.model.locating import RECIPE as RECIPE


class LogRecord(Protocol):
    """A record that can be logged."""

    def line(self) -> Mapping[str, Any]:
        """Return its values by name."""


Logged = TypeVar("Logged", bound=LogRecord)
OLDER = {"tiling": "correct", "train": "language"}  # what older runs do not say
CHECKPOINT = re.compile(r"checkpoint-\d{6,}")  # other names like checkpoint-* are the user's


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def log(self) -> Path:
        """The file of steps and measurements."""
        return self.path / "log.jsonl"

    @property
    def adapter(self) -> Path:
        """The folder of the result."""
        return self.path / "adapter"

    def check(self, recipe: Mapping[str, Any], *, resume: bool) -> None:
        """Check that the folder is empty, or contains the run to be resumed.

        Raises:
            UsageError: it contains another run, one that is not to be resumed, or other files.
        """
        file = self.path / RECIPE
        if not file.exists():
            if self.path.exists() and not self._is_free():
                raise UsageError(f"{self.path} exists and is not a run; name another folder")
            return
        if not resume:
            raise UsageError(
                f"{self.path} already contains a run; resume it or name another folder",
                argument="resume",
            )
        before = OLDER | _read_recipe(file)
        asked = _as_json(recipe)
        changed = [key for key in asked if asked[key] != before.get(key)]
        if changed:
            key = changed[0]
            raise UsageError(
                f"{self.path} was started with {key} {before.get(key)}, got {asked[key]}; "
                "resume with the same options and data"
            )

    def _is_free(self) -> bool:
        """Return whether the folder is empty, except for the lock files of a refused run."""
        return self.path.is_dir() and LOCKS.issuperset(one.name for one in self.path.iterdir())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder against other training processes while the block runs.

        Raises:
            DataError: another process has locked it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path, required=False):
            yield

    def begin(self, recipe: Mapping[str, Any], step: int) -> None:
        """Write the recipe, and remove from the log what comes after `step`."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_file(self.path / RECIPE, json.dumps(_as_json(recipe), indent=2) + "\n")
        lines = (
            self.log.read_text("utf-8", errors="replace").splitlines() if self.log.exists() else []
        )
        kept = [line for line in lines if _step_of(line) <= step]
        write_file(self.log, "".join(f"{line}\n" for line in kept))

    def latest(self) -> Path | None:
        """Return the latest complete checkpoint, None if there is none."""
        return max(self._checkpoints(), default=None)

    def save(self, step: int, files: Mapping[str, bytes]) -> None:
        """Write the checkpoint after `step` steps; only then delete the earlier ones.

        Raises:
            TrainingError: it cannot be written; the previous one is kept.
        """
        before = list(self._checkpoints())
        target = self.path / f"checkpoint-{step:06d}"
        with self._writing(f"the checkpoint after step {step}"):
            write_folder(target, files)
            remove_temporary(self.path, "checkpoint-")  # of a killed run
        for old in before:
            if old != target:
                shutil.rmtree(old, ignore_errors=True)  # the next save tries again

    def _checkpoints(self) -> Iterator[Path]:
        for path in self.path.glob("checkpoint-*"):
            if CHECKPOINT.fullmatch(path.name):
                yield path

    def kept(self) -> str:
        """Say which checkpoint a run that ends now keeps."""
        latest = self.latest()
        return f"{latest} is kept" if latest else "no checkpoint was written yet"

    def append(self, record: Logged) -> Logged:
        """Add a line to the log; return its record.

        Raises:
            TrainingError: it cannot be written.
        """
        with self._writing("the log"), self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(dict(record.line())) + "\n")
        return record

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"{what} cannot be written to {self.path}: {error.strerror or error}; "
                f"{self.kept()}; "
                "fix the cause and resume the run",
                argument="resume",
            ) from error


def _as_json(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record as JSON gives it back."""
    values: dict[str, Any] = json.loads(json.dumps(dict(recipe), default=str))
    return values


def _read_recipe(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise UsageError(f"{file} is not the recipe of a run; name another folder") from None


def _step_of(line: str) -> float:
    """Return the step of a log line; infinity for a line cut off by a kill."""
    try:
        step: int = json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return float("inf")
    return step


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder that replaces `target` once all of them are on disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with replace_folder(target) as part:
        for name, content in files.items():
            (part / name).write_bytes(content)
