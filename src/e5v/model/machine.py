"""What this machine has for a model: memory, and how fast it multiplies.

device -> bytes of memory, a name | device, dtype and widths -> rates, measured
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch.nn.functional import linear, scaled_dot_product_attention, silu

from e5v.errors import plural
from e5v.model.devices import list_devices, pick_device, pick_dtype

CGROUP = Path("/sys/fs/cgroup/memory.max")  # the memory of a container on Linux
CPU_INFO = Path("/proc/cpuinfo")
ROWS, WIDEST = 256, 4096  # of the matrices that are multiplied
HEADS, TOKENS, HEAD = 8, 1024, 64  # of the attention that is computed
SECONDS, TRIES = 0.05, 3  # how long each is tried, and how often at least


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
    """Return the device that a model would be opened on; of several devices, the first.

    Raises:
        UsageError: there is no such device or dtype.
    """
    picked = pick_device((list_devices(device) or (None,))[0])
    chosen = str(pick_dtype(dtype, picked)).removeprefix("torch.")
    return Machine(str(picked), chosen, name_device(picked), _find_memory(picked))


def name_device(device: torch.device) -> str:
    """Return what a device is called, with the threads that it computes on."""
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    if device.type != "cpu":
        return device.type
    return f"cpu {_name_cpu()}, {plural(torch.get_num_threads(), 'thread')}"


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


@dataclass(frozen=True)
class Rates:
    """How fast a machine computes.

    Attributes:
        products: operations per second in matrix products, by width.
        attention: operations per second in causal attention.
        values: values per second in what is done to each value by itself.
    """

    products: Mapping[int, float]
    attention: float
    values: float


@torch.inference_mode()
def measure_rates(
    machine: Machine, widths: Iterable[int], clock: Callable[[], float] = time.perf_counter
) -> Rates:
    """Compute each for a moment; the best time counts."""
    how = {"device": machine.device, "dtype": getattr(torch, machine.dtype)}

    def best(compute: Callable[[], object]) -> float:
        compute()
        times: list[float] = []
        end = time.perf_counter() + SECONDS
        while len(times) < TRIES or time.perf_counter() < end:
            begun = clock()
            compute()
            _wait(machine.device)
            times.append(clock() - begun)
        return max(min(times), 1e-9)

    products = {}
    for width in sorted(set(widths)):
        outputs = min(4 * width, WIDEST)
        rows, weight = torch.ones(ROWS, width, **how), torch.ones(outputs, width, **how)
        seconds = best(partial(linear, rows, weight))
        products[width] = 2 * ROWS * width * outputs / seconds
    heads = torch.ones(1, HEADS, TOKENS, HEAD, **how)
    seconds = best(partial(scaled_dot_product_attention, heads, heads, heads, is_causal=True))
    attention = 4 * HEADS * HEAD * TOKENS * (TOKENS + 1) / 2 / seconds
    gate = torch.ones(ROWS, WIDEST, **how)
    seconds = best(lambda: silu(gate) * gate)
    return Rates(products, attention, 2 * gate.numel() / seconds)


def _wait(device: str) -> None:
    """Return once the device has done all it was given; a CPU always has."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device.startswith("mps"):
        torch.mps.synchronize()
