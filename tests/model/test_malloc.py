"""Freed memory is kept for the next layer, unless the user said otherwise."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource
from e5v.model.malloc import keep_freed
assert keep_freed() is {done}
import torch
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):  # 3 MiB, as a layer's activations
    torch.ones(3 * 2**18)
before = faults()
for _ in range(50):
    torch.ones(3 * 2**18)
print(faults() - before)
"""
PAGES = 50 * 3 * 256  # of 4 KiB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_activations_are_not_mapped_anew() -> None:
    """The setting that silently does nothing: a third of the time on short texts."""
    assert _faults({}, done=True) < PAGES / 4


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_environment_has_the_last_word() -> None:
    """A user's own tuning of malloc, overruled by a library."""
    assert _faults({"MALLOC_MMAP_THRESHOLD_": "131072"}, done=False) > PAGES / 2


def _faults(environment: dict[str, str], *, done: bool) -> int:
    command = [sys.executable, "-c", SCRIPT.format(done=done)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(result.stdout)
