"""Keep freed memory in the process between layers of a model on a CPU.

By default glibc returns blocks over 128 KiB to the system when they are freed, and allocates them
again for the next layer: each activation is mapped and zeroed again, page by page. A model's layers
have equal sizes, so blocks can be reused; benchmarks/results/malloc.json has what that saves.

The setting is for the whole process. The command line and the server make it; a program that uses
e5v as a library decides for itself and calls `keep_freed_memory` before it encodes.
"""

import ctypes
import os
import sys

MIB = 2**20
OPTIONS = {  # of glibc's malloc.h: number and value
    "MALLOC_TRIM_THRESHOLD_": (-1, 1024 * MIB),  # free memory kept at the heap's end
    "MALLOC_TOP_PAD_": (-2, 64 * MIB),  # step by which the heap grows
    "MALLOC_MMAP_THRESHOLD_": (-3, 32 * MIB),  # larger blocks are returned at once; glibc's maximum
}


def keep_freed_memory() -> bool:
    """Make glibc keep up to 1 GiB of freed memory for reuse, for the whole process.

    Call it once, before the first `encode` on a CPU; opening a model does not. Returns whether it
    was done: not with another C library, and not if the environment sets one of
    glibc's own variables (`MALLOC_TRIM_THRESHOLD_`, ...), which is how to opt out.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in OPTIONS):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return all(library.mallopt(option, size) for option, size in OPTIONS.values())
