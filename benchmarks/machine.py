"""What a result depends on besides the code: the machine, the versions, how fast it multiplies."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PACKAGES = ("torch", "transformers", "sentence-transformers", "tokenizers", "numpy")
SECONDS = 0.5  # how long one shape is tried; the best time counts
LEAST_TRIES = 3
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Machine:
    """Where a result was measured; `memory_gib` is what the whole machine has."""

    cpu: str
    cores: int
    memory_gib: float
    platform: str


@dataclass(frozen=True)
class RateJob:
    """Matrix products to time: (rows, inputs, outputs) each, in one dtype, on one device."""

    dtype: str
    shapes: tuple[tuple[int, int, int], ...]
    device: str = "cpu"


@dataclass(frozen=True)
class Rate:
    """How fast matrices are multiplied, in operations per second; a multiply-add is two."""

    dtype: str
    threads: int
    by_shape: dict[str, float]

    @property
    def best(self) -> float:
        """The fastest of the shapes: what the machine has shown it can do."""
        return max(self.by_shape.values())


def describe_machine() -> Machine:
    """Read what the operating system says of the machine."""
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cpu=_cpu_model(),
        cores=os.cpu_count() or 1,
        memory_gib=round(pages * page / 2**30, 1),
        platform=platform.platform(),
    )


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    fields = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    if "model name" not in named:
        return platform.processor() or platform.machine()
    return f"{named['model name']} (family {named.get('cpu family')}, model {named.get('model')})"


def describe_versions() -> dict[str, str]:
    """List the versions of what runs, and the commit of this repository."""
    return {"python": platform.python_version(), **_installed(), "e5v": _commit()}


def _installed() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def _commit() -> str:
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("-dirty" if _git("status", "--porcelain", "--", "src") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def measure_rate(job: RateJob) -> Rate:
    """Time a linear layer of each shape, as the models' layers are called."""
    import torch

    dtype = getattr(torch, job.dtype)
    by_shape = {}
    for rows, inputs, outputs in job.shapes:
        x = torch.randn(rows, inputs, device=job.device).to(dtype)
        weight = torch.randn(outputs, inputs, device=job.device).to(dtype)
        best = _best_seconds(x, weight)
        by_shape[f"{rows}x{inputs}x{outputs}"] = 2 * rows * inputs * outputs / best
    return Rate(job.dtype, torch.get_num_threads(), by_shape)


def _best_seconds(x: Tensor, weight: Tensor) -> float:
    """Return the seconds of one product, the best of many tries; the GPU is given ten a try."""
    from torch.nn.functional import linear

    products = 10 if x.is_cuda else 1
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < LEAST_TRIES:
        wait(x.device)
        start = time.perf_counter()
        for _ in range(products):
            linear(x, weight)
        wait(x.device)
        times.append((time.perf_counter() - start) / products)
    return min(times)


def wait(device: torch.device) -> None:
    """Return once the device has done all it was given; a CPU always has."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
