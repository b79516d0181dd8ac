"""A worker that is killed between the write and the rename of a part: run as a program.

    python -m tests.parts.killed MODEL INPUT OUT SHARD NTH

At its NTH part the process kills itself, once the temporary file is flushed; with 0, it lives.
"""

import os
import signal
import sys
from pathlib import Path

from e5v import files
from e5v.parts.job import encode_parts


def arm(nth: int) -> None:
    """Set the trap."""
    flush, calls = files.sync, iter(range(1, 1_000))

    def trapped(path: Path) -> None:
        flush(path)
        if ".parquet." in path.name and next(calls) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    files.sync = trapped


def main(model: str, read: str, out: str, shard: str, nth: str) -> None:
    """Encode until the trap shuts."""
    arm(int(nth))
    steps = encode_parts([Path(read)], out, model, part_rows=2, shard=shard, dtype="float32")
    for done in steps:
        sys.stdout.write(f"{done.parts} {done.missing}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
