"""Freed memory is kept for the next layer if a program asks for it; a model changes no process."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource
from e5v.model.malloc import keep_freed_memory
assert keep_freed_memory() is {done}
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
UNCHANGED = """
import logging, os, resource, signal, sys, warnings
import torch, transformers
from e5v import E5V
def state():
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    logs = [logging.getLogger(name).level for name in ("", "transformers", "huggingface_hub")]
    bars = transformers.utils.logging.is_progress_bar_enabled()
    threads = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    return dict(os.environ), warnings.filters, handlers, logs, bars, threads, sys.path
before = state()
E5V("nano", dtype="float32").encode(["a cat"])
assert state() == before
assert "e5v.model.malloc" not in sys.modules
assert "bitsandbytes" not in sys.modules
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


def test_a_model_changes_nothing_of_its_host_process() -> None:
    """A library that changes malloc, threads, warnings or signals of the program that uses it.

    Or that imports for seconds what full weights do not need, or writes notes of its libraries.
    """
    command = [sys.executable, "-c", UNCHANGED]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
