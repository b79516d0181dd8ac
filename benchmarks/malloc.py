"""What `keep_freed_memory` saves: texts embedded on a CPU with glibc's own settings, and with ours.

    python -m benchmarks.malloc --out benchmarks/results/malloc.json

Fresh processes take turns, so that a slow minute of the machine meets both; the figure is the ratio
of their medians.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from benchmarks.fresh import fresh
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.result import say, write_down

TEXTS = [f"a {size} dog number {n} in the grass" for n in range(256) for size in ("small", "big")]
REPEATS = 3  # of the same texts in one process, after one to warm up


def seconds_of(kept: bool) -> float:  # noqa: FBT001
    """Return the CPU seconds that the texts take, at best."""
    from e5v import E5V
    from e5v.model.malloc import keep_freed_memory

    if kept and not keep_freed_memory():
        raise SystemExit("the setting is not available here: another C library, or an environment")
    model = E5V("nano", device="cpu", dtype="float32")
    model.encode(TEXTS)
    taken = []
    for _ in range(REPEATS):
        start = process_time()
        model.encode(TEXTS)
        taken.append(process_time() - start)
    return min(taken)


def main() -> None:
    """Measure in rounds and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for number in range(wanted.rounds):
        for kept, taken in seconds.items():
            taken.append(fresh(seconds_of, kept))
        say(f"round {number + 1}: {seconds[False][-1]:.2f} s and {seconds[True][-1]:.2f} s")
    plain, ours = median(seconds[False]), median(seconds[True])
    result: dict[str, Any] = {
        "what": "CPU seconds of 512 short texts with the bundled model, float32",
        "glibc": seconds[False],
        "kept": seconds[True],
        "ratio_of_medians": plain / ours,
        "machine": asdict(describe_machine()),
        "versions": describe_versions(),
    }
    write_down(wanted.out, result)
    say(f"{plain / ours:.2f} times as fast with kept memory")


if __name__ == "__main__":
    main()
