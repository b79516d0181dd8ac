"""`e5v encode --engine ray` of which processes are killed: run as a program.

    python -m tests.parts.killed_by_ray MARK DRIVER_AT INPUT OUT

The first actor that has flushed a part kills itself, unless the file MARK is there. The driver
kills itself once it has been told of DRIVER_AT parts; with 0, it lives.
"""

import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from e5v import files
from e5v.cli import main
from e5v.parts import actor, ray_engine
from e5v.parts.encoding import PartTally
from e5v.parts.job import PartsProgress, count_part


class Trapped:
    """An actor that kills itself between the write and the rename of its first part."""

    def __init__(self, *told: Any) -> None:
        self._encoder = actor.Encoder(*told)
        mark, flush = Path(os.environ["MARK"]), files.sync

        def trapped(path: Path) -> None:
            flush(path)
            if ".parquet." in path.name:
                with suppress(FileExistsError):
                    mark.touch(exist_ok=False)
                    os.kill(os.getpid(), signal.SIGKILL)

        files.sync = trapped

    __call__ = ray_engine.Actor.__call__


def die_at(nth: int) -> Callable[[PartsProgress, PartTally], PartsProgress]:
    """Return what counts parts, and kills the driver at the nth."""
    counted = iter(range(1, 1_000))

    def count(done: PartsProgress, tally: PartTally) -> PartsProgress:
        if next(counted) == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return count_part(done, tally)

    return count


if __name__ == "__main__":
    warnings.simplefilter("error")
    os.environ["MARK"], nth, read, out = sys.argv[1:]
    ray_engine.Actor = Trapped  # type: ignore[assignment,misc]
    ray_engine.count_part = die_at(int(nth))  # type: ignore[assignment,attr-defined]
    options = ["--part-rows", "20", "--engine", "ray", "--engine-actors", "2"]
    kind = ["--model", "nano", "--device", "cpu", "--dtype", "float32"]
    sys.exit(main(["encode", read, "--out", out, *options, *kind]))
