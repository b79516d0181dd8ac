"""Runs jobs, each in a fresh process, unless what they make is there.

Job -> is its record the one of this very job, and done? -> run, or kept -> Outcome
    -> OUT/jobs/LABEL.json: what was asked, whether it is done; LABEL.out: what it printed

A job that fails does not stop those that do not need it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any, Literal

from nano.kept import write
from paper.jobs import Job, identify

TOLD = 30.0  # seconds between two lines about the steps of a training
FAULTY = 1  # exit code of a command that has found faults; of one that was killed it is another
LAST = 5  # lines of a failed command that are looked through for its reason
State = Literal["made", "kept", "failed", "left out"]


@dataclass(frozen=True)
class Outcome:
    """What became of a job; `reason` says why it failed or was left out."""

    job: Job
    state: State
    reason: str = ""

    @property
    def is_done(self) -> bool:
        """Whether what it makes is there."""
        return self.state in {"made", "kept"}


class Runner:
    """Runs jobs in their order; `say` takes lines for the user."""

    def __init__(self, out: Path, data: Path, say: Callable[[str], object]) -> None:
        self.folder = out / "jobs"
        self._folders = (out, data)
        self._say = say
        self._identities: dict[str, str] = {}

    def run(self, jobs: Sequence[Job], stages: Collection[str]) -> Iterator[Outcome]:
        """Yield what becomes of each job of some stages, and of those before that they need."""
        failed: dict[str, str] = {}
        for number, job in enumerate(jobs, 1):
            lacking = next((one for one in job.needs if one in failed), None)
            self._identities[job.label] = self._identify(job)
            if lacking:
                outcome = Outcome(job, "left out", f"it needs {lacking}")
            elif self._is_done(job):
                outcome = Outcome(job, "kept")
            elif job.stage not in stages:
                outcome = Outcome(job, "left out", f"the stage {job.stage} was not run")
            else:
                self._say(f"[{number}/{len(jobs)}] {job}")
                outcome = self._make(job)
            if not outcome.is_done:
                failed[job.label] = outcome.reason
            yield outcome

    def _identify(self, job: Job) -> str:
        return identify(job, self._identities, self._folders)

    def _record(self, job: Job) -> Path:
        return self.folder / f"{job.label}.json"

    def _output(self, label: str) -> Path:
        return self.folder / f"{label}.out"

    def _is_done(self, job: Job) -> bool:
        record = self._read(job)
        asked = record.get("asked") == self._identities[job.label]
        return bool(asked and record.get("done")) and all(one.exists() for one in job.makes)

    def _read(self, job: Job) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads(self._record(job).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record

    def _write(self, job: Job, *, done: bool) -> None:
        record = {"asked": self._identities[job.label], "command": str(job), "done": done}
        write(self._record(job), json.dumps(record, indent=1) + "\n")

    def _make(self, job: Job) -> Outcome:
        """Run a job; what is there of another one, or of one that cannot resume, is removed."""
        if not job.resumes or self._read(job).get("asked") != self._identities[job.label]:
            self._clear(job)
        self._write(job, done=False)
        for made in job.makes:
            made.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        reason = self._run(job)
        if reason is None:
            self._write(job, done=True)
            self._say(f"    done in {time.monotonic() - began:.0f} s")
            return Outcome(job, "made")
        self._say(f"    failed: {reason}")
        return Outcome(job, "failed", reason)

    def _clear(self, job: Job) -> None:
        """Remove what a job makes; data are never removed."""
        for made in job.makes if job.stage != "data" else ():
            place = made.parent if job.stage == "train" and made.name == "adapter" else made
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)

    def _run(self, job: Job) -> str | None:
        """Run the command; return why it failed, None if it did not."""
        last: deque[str] = deque(maxlen=LAST)
        output = self._output(job.label)
        with output.open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                job.command,
                stdout=out,
                stderr=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        with process, _ending(process), self._telling(output):
            for line in process.stderr or ():
                last.append(line.rstrip())
                self._say(f"    {line.rstrip()}")
        faults = [one for one in read_lines(output) if one.get("passed") is False]
        if process.returncode == 0 or (job.checks and faults and process.returncode == FAULTY):
            return None
        return _explain(process.returncode, last, faults)

    @contextmanager
    def _telling(self, output: Path) -> Iterator[None]:
        """Tell of the last step of a training now and then, while the block runs."""
        over = Event()

        def tell() -> None:
            while not over.wait(TOLD):
                steps = [one for one in read_lines(output)[-1:] if "loss" in one]
                for one in steps:
                    left = timedelta(seconds=round(one["seconds_left"]))
                    self._say(f"    step {one['step']}, loss {one['loss']:.3f}, {left} left")

        thread = Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@contextmanager
def _ending(process: "subprocess.Popen[str]") -> Iterator[None]:
    """End the process if the block is left early."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


def _explain(code: int, last: Sequence[str], faults: Sequence[dict[str, Any]]) -> str:
    """Return why a command failed: its last message, or the checks that were not passed."""
    told = next((line for line in reversed(last) if line.startswith("e5v: ")), "")
    if not told and faults:
        return "; ".join(f"{one['name']} {one['figure']}, limit {one['limit']}" for one in faults)
    return told.removeprefix("e5v: ") or (last[-1] if last else f"exit code {code}")


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Return the JSON lines of a file; none without it."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def say(line: str) -> None:
    """Write a line for the user."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
