"""How much resident memory this process has had at most, ever and since a moment.

forget_peak() -> work -> peak_since_mib()
"""

import resource
import sys
from pathlib import Path


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
