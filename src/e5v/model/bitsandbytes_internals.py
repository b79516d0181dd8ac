"""What e5v does to bitsandbytes that is not part of its public interface, all in one file.

import -> without code from the hub; layers of 4 bits -> kept as they were loaded

Seen with bitsandbytes 0.50.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e5v.extras import is_installed

KERNELS = "kernels"  # the package that downloads compiled code from the hub
MPS = "bitsandbytes.backends.mps.ops"


def import_bitsandbytes() -> None:
    """Import bitsandbytes, if it is installed, without compiled code that it takes from the hub.

    If the package `kernels` is installed, bitsandbytes downloads code of kernels-community and runs
    it: on a CPU with AVX512-BF16 when it is imported, on a Mac when it is first used. Nobody has
    asked for it, and on the CPU e5v does not use it (`keep_unpacked`). Call this before another
    library imports bitsandbytes, as peft does.
    """
    if not is_installed("bitsandbytes"):
        return
    with _without(KERNELS):
        importlib.import_module("bitsandbytes")
    if MPS in sys.modules:
        mps: Any = sys.modules[MPS]
        mps._kernel_load_failed = True


def keep_unpacked(model: Any) -> None:
    """Keep bitsandbytes from packing 4-bit weights anew when a CPU first uses them.

    Packing rounds the scales, and `state_dict()` undoes it with another rounding, so that looking
    at the weights changes them. It refuses some shapes, and without one more library it is slower.
    Does nothing to other modules.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


@contextmanager
def _without(package: str) -> Iterator[None]:
    """Let imports of a package fail in the block, as if it were not installed."""
    missing = object()
    before: Any = sys.modules.get(package, missing)
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if before is missing:
            del sys.modules[package]
        else:
            sys.modules[package] = before
