"""What the benchmarks on a CUDA machine share: its name, its matrix products, its memory.

Their rehearsal on a CPU (`--tiny`) goes the same way, with numbers that mean nothing.
"""

from dataclasses import asdict
from typing import Any

import torch

from benchmarks.flops import matrix_shapes
from benchmarks.machine import Rate, RateJob, describe_machine, measure_rate
from benchmarks.sizes import Sizes


def describe(device: torch.device) -> dict[str, Any]:
    """Say what machine this is, and what GPU it has."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "none"
    return asdict(describe_machine()) | {"gpu": gpu}


def matmul_rate(sizes: Sizes, device: torch.device) -> Rate:
    """Time a square matrix product and those of a model's layers, in bfloat16."""
    square, rows = (8192, 16_384) if device.type == "cuda" else (256, 256)
    layers = [(rows, *pair) for pair in matrix_shapes(sizes)]
    return measure_rate(RateJob("bfloat16", ((square, square, square), *layers), device.type))


def peak_gib(device: torch.device) -> float:
    """Return how much of the GPU's memory was held at most."""
    return torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
