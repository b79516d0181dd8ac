"""Choose the device and dtype of a model.

name -> torch.device | torch.dtype, by default the fastest on this machine
names -> devices that run the same model
"""

from collections.abc import Sequence

import torch

from e5v.errors import UsageError, first_line
from e5v.model.torch_internals import has_avx512_bf16


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Return the torch dtype of a name; "auto" is bfloat16 where the hardware is fast at it.

    Raises:
        UsageError: the name is unknown.
    """
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype in known:
        return known[dtype]
    if dtype != "auto":
        raise UsageError(f'dtype is "{dtype}"; expected auto, {", ".join(known)}')
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    fast_cpu = device.type == "cpu" and has_avx512_bf16()
    return torch.bfloat16 if fast_cpu else torch.float32


def pick_device(device: str | int | torch.device | None) -> torch.device:
    """Return the device of a name; None gives the fastest available.

    Raises:
        UsageError: the device is not available on this machine.
    """
    if device is None:
        fast = "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device("cuda" if torch.cuda.is_available() else fast)
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise UsageError(
            f'device "{device}" cannot be used here: {first_line(error)}; '
            "expected an available device, or None for the fastest"
        ) from None


def list_devices(
    given: str | int | torch.device | Sequence[str | torch.device] | None,
) -> tuple[str, ...] | None:
    """Return the devices that are meant; None is the fastest of this machine.

    `given` is a device, as torch takes it, several in a list or separated by commas, or "auto":
    every CUDA device.

    Raises:
        UsageError: it names no device, or one of several that this machine does not have.
    """
    if given is None:
        return None
    if given == "auto":
        return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count())) or None
    if not isinstance(given, str | Sequence):
        return (str(pick_device(given)),)
    listed = given.split(",") if isinstance(given, str) else given
    names = tuple(str(name).strip() for name in listed)
    if not all(names) or not names:
        raise UsageError(
            f"device is {given!r}; expected one such as cuda, or several: cuda:0,cuda:1",
            argument="device",
        )
    if len(names) > 1:
        for name in names:
            pick_device(name)
    return names
