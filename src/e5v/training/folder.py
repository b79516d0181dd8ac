"""A run on disk: what was asked for, what happened, and where to go on from.

    RUN/recipe.json          what was asked for, and of which data and versions
    RUN/log.jsonl            one line a step, one line a measurement
    RUN/checkpoint-000050/   adapter, optimiser and step; the latest whole one, the rest is deleted
    RUN/adapter/             the result, as peft reads it
    RUN/training.png         the log, drawn

Folders are written under another name and renamed when they are whole: whatever happens, the last
checkpoint stands.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e5v.errors import TrainingError, UsageError
from e5v.files import LOCKS, locked, sync, write_file

PARTIAL = ".partial"
CHECKPOINT = re.compile(r"checkpoint-\d{6,}")  # others of this beginning are the user's
RECIPE = "recipe.json"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def log(self) -> Path:
        """Where steps and measurements are written."""
        return self.path / "log.jsonl"

    @property
    def adapter(self) -> Path:
        """Where the result goes."""
        return self.path / "adapter"

    def check(self, recipe: Mapping[str, Any], *, resume: bool) -> None:
        """See that the folder is free, or that its run is the one to be resumed.

        Raises:
            UsageError: there is a run already and it is not to be resumed, or it is another one.
        """
        file = self.path / RECIPE
        if not file.exists():
            if self.path.exists() and not self._is_free():
                raise UsageError(f"{self.path} is something else already; name another folder")
            return
        if not resume:
            raise UsageError(
                f"{self.path} has a run already; resume it or name another folder",
                argument="resume",
            )
        before = _read(file)
        asked = _plain(recipe)
        changed = [key for key in asked if asked[key] != before.get(key)]
        if changed:
            key = changed[0]
            raise UsageError(
                f"{self.path} was begun with {key} {before.get(key)}, not {asked[key]}; "
                "resume with what it was begun with"
            )

    def _is_free(self) -> bool:
        """Tell whether the folder is empty; a refused run leaves the files of its lock."""
        return self.path.is_dir() and LOCKS.issuperset(one.name for one in self.path.iterdir())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training in this folder while the block runs.

        Raises:
            DataError: another process does.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path, required=False):
            yield

    def begin(self, recipe: Mapping[str, Any], step: int) -> None:
        """Write down the recipe, and drop from the log what comes after `step`."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_file(self.path / RECIPE, json.dumps(_plain(recipe), indent=2) + "\n")
        lines = (
            self.log.read_text("utf-8", errors="replace").splitlines() if self.log.exists() else []
        )
        kept = [line for line in lines if _step(line) <= step]
        write_file(self.log, "".join(f"{line}\n" for line in kept))

    def latest(self) -> Path | None:
        """Return the last whole checkpoint, if there is one."""
        return max(self._checkpoints(), default=None)

    def save(self, step: int, files: Mapping[str, bytes]) -> None:
        """Write the checkpoint after `step` steps; then, and only then, delete those before.

        Raises:
            TrainingError: it cannot be written; the one before stands.
        """
        before = list(self._checkpoints())
        target = self.path / f"checkpoint-{step:06d}"
        with self._told(f"the checkpoint after step {step}"):
            write_folder(target, files)
        for old in before:
            if old != target:
                shutil.rmtree(old, ignore_errors=True)  # the next save tries again

    def _checkpoints(self) -> Iterator[Path]:
        for path in self.path.glob("checkpoint-*"):
            if CHECKPOINT.fullmatch(path.name):
                yield path

    def kept(self) -> str:
        """Say what a run that ends now leaves."""
        latest = self.latest()
        return f"{latest} stands" if latest else "no checkpoint was written yet"

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line to the log.

        Raises:
            TrainingError: it cannot be written.
        """
        with self._told("the log"), self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(dict(line)) + "\n")

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"{what} cannot be written to {self.path}: {error.strerror or error}; "
                f"{self.kept()}; "
                "repair that and resume the run",
                argument="resume",
            ) from error


def _plain(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record as it reads back from JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(recipe), default=str))
    return plain


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise UsageError(f"{file} is no recipe of a run; name another folder") from None


def _step(line: str) -> float:
    """Return the step of a line of the log; a line torn by a kill belongs to none."""
    try:
        step: int = json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return float("inf")
    return step


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder that appears when all are on disk, in place of one of that name."""
    partial = target.with_name(target.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        for name, content in files.items():
            (partial / name).write_bytes(content)
            sync(partial / name)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
