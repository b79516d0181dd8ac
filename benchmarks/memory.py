"""How much resident memory this process has had at most, ever, since a moment, and by kind.

forget_peak() -> work -> peak_since_mib()
watching() -> work -> Memory
"""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

EVERY = 0.02  # seconds between two looks


def peak_mib() -> float:
    """Return the highest resident memory of this process so far."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget_peak() -> bool:
    """Let Linux count this process's highest resident memory from now on; say if it does."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_since_mib() -> float:
    """Return the highest resident memory since `forget_peak`, where that worked."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**10


@dataclass
class Memory:
    """MiB of memory at most: anonymous, and of mapped files; and anonymous `at_start`."""

    at_start: float = 0.0
    anonymous: float = 0.0
    mapped: float = 0.0


@contextmanager
def watching() -> Iterator[Memory]:
    """Look at this process's memory all the time; Linux only."""
    memory, done = Memory(at_start=_resident()["RssAnon"]), Event()

    def look() -> None:
        now = _resident()
        memory.anonymous = max(memory.anonymous, now["RssAnon"])
        memory.mapped = max(memory.mapped, now["RssFile"] + now["RssShmem"])

    def watch() -> None:
        while not done.wait(EVERY):
            look()

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        look()
        done.set()
        thread.join()


def _resident() -> dict[str, float]:
    """Return the resident memory of this process by kind, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) / 2**10 for line in lines if "Rss" in line}
