"""A job: one command that stands alone, what it makes, and what it is made from.

Job, jobs it needs, files it reads -> identity: whether what is there is what the job would make
"""

import hashlib
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nano.trainings import digest

Stage = Literal["data", "base", "train", "evaluate"]
ROOT = Path(__file__).parents[1]
STAGES: tuple[Stage, ...] = ("data", "base", "train", "evaluate")


@dataclass(frozen=True)
class Job:
    """One command.

    `module` is run by Python with `words`. `makes` are files and folders that are there once it is
    done; `needs` are labels of jobs that come first, `reads` files whose content counts. If it
    `resumes`, it goes on with what it has made; otherwise that is removed first. If it `checks`,
    what it finds wrong is a result, and no failure.
    """

    label: str
    stage: Stage
    words: tuple[str, ...]
    makes: tuple[Path, ...]
    needs: tuple[str, ...] = ()
    reads: tuple[Path, ...] = ()
    module: str = "e5v.cli"
    resumes: bool = False
    checks: bool = False

    @property
    def command(self) -> list[str]:
        """The command, as the system runs it."""
        return [sys.executable, "-m", self.module, *self.words]

    def __str__(self) -> str:
        """Write the command as a user types it."""
        program = "e5v" if self.module == "e5v.cli" else f"python -m {self.module}"
        return f"{program} {shlex.join(self.words)}"


def identify(job: Job, needed: Mapping[str, str], folders: Sequence[Path]) -> str:
    """Tell what a job makes from anything else: its command, and what that is made from.

    `needed` are the identities of the jobs that it needs. Names of `folders`, and of the clone, do
    not count, so that what was made may be moved.
    """
    words = [_unname(word, (*folders, ROOT)) for word in job.words]
    read = digest([one for one in job.reads if one.is_file()])
    parts = [job.module, words, [needed[one] for one in job.needs], read]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()


def _unname(word: str, folders: Sequence[Path]) -> str:
    """Return a word without the name of the folder that it is a path in."""
    for number, folder in enumerate(map(str, folders)):
        if word == folder or word.startswith(f"{folder}{os.sep}"):
            return f"<{number}>{word.removeprefix(folder)}"
    return word
