"""What this machine has for a model: memory, and how fast it multiplies.

device -> bytes of memory, a name | device, dtype and widths -> operations per second, measured
"""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from e5v.model.devices import pick_device, pick_dtype

CGROUP = Path("/sys/fs/cgroup/memory.max")  # the memory of a container on Linux
CPU_INFO = Path("/proc/cpuinfo")
ROWS, WIDEST = 256, 4096  # of the matrices that are multiplied
SECONDS, TRIES = 0.05, 3  # how long one width is tried, and how often at least


@dataclass(frozen=True)
class Machine:
    """The device that a model would be opened on, and in which dtype.

    `name` says which device it is, also to another process; `memory` is in bytes.
    """

    device: str
    dtype: str
    name: str
    memory: int


def find_machine(device: str | None = None, dtype: str = "auto") -> Machine:
    """Return what this machine is for a model.

    Raises:
        UsageError: there is no such device or dtype.
    """
    picked = pick_device(device)
    chosen = str(pick_dtype(dtype, picked)).removeprefix("torch.")
    return Machine(str(picked), chosen, name_device(picked), _find_memory(picked))


def name_device(device: torch.device) -> str:
    """Return what a device is called, with the threads that it computes on."""
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    if device.type != "cpu":
        return device.type
    return f"cpu {_name_cpu()}, {torch.get_num_threads()} threads"


def _name_cpu() -> str:
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    return next(named, "unknown").strip()


def _find_memory(device: torch.device) -> int:
    """Return the bytes of memory of a GPU, or of this machine or container."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    known = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError, ValueError):  # there is none, or it is "max"
        known.append(int(CGROUP.read_text(encoding="ascii")))
    return min(known)


def measure_rates(machine: Machine, widths: Iterable[int]) -> dict[int, float]:
    """Multiply matrices of each width for a moment; return operations per second."""
    return {width: _measure_rate(machine, width) for width in sorted(set(widths))}


@torch.inference_mode()
def _measure_rate(machine: Machine, width: int) -> float:
    dtype, outputs = getattr(torch, machine.dtype), min(4 * width, WIDEST)
    rows = torch.ones(ROWS, width, device=machine.device, dtype=dtype)
    weight = torch.ones(outputs, width, device=machine.device, dtype=dtype)
    best, tries, end = float("inf"), 0, time.perf_counter() + SECONDS
    while tries < TRIES or time.perf_counter() < end:
        start = time.perf_counter()
        torch.nn.functional.linear(rows, weight)
        _wait(machine.device)
        best, tries = min(best, time.perf_counter() - start), tries + 1
    return 2 * ROWS * width * outputs / best


def _wait(device: str) -> None:
    """Return once the device has done all it was given; a CPU always has."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device.startswith("mps"):
        torch.mps.synchronize()
