"""Divide one model over the devices of a machine, for one that is larger than any of them.

device_map -> checked before anything is loaded -> transformers and accelerate place each module
           -> hooks move what a layer gets, and weights that wait on a disk, to the layer's device

"auto" fills the GPUs, then the machine's memory, then the checkpoint's own files on its disk. The
layers run one after the other, so that this makes a model fit, not faster: for speed, open a copy
on each device (`e5v.model.device_pool`).
"""

import warnings
from collections.abc import Mapping
from typing import Any

import torch

from e5v.errors import UsageError, plural
from e5v.extras import EXTRAS, need
from e5v.model.devices import pick_device
from e5v.model.hf_internals import is_divided
from e5v.model.opening import DeviceMap

# Where weights wait for a batch, unless layers run on the CPU.
WHERE = {"cpu": "in the machine's memory", "disk": "on disk"}


def check_device_map(device: object, device_map: DeviceMap | None) -> None:
    """Check that a model is divided over devices in a way that there is.

    Raises:
        UsageError: a device is given, too, or the map is neither "auto" nor a mapping.
        MissingExtraError: accelerate is not installed.
    """
    if device_map is None:
        return
    if device is not None:
        raise UsageError(
            f"device is {device}, and device_map {_show(device_map)}; expected one of the two: "
            "device_map divides one model over devices, device runs the whole model on each",
            argument="device_map",
        )
    if device_map != "auto" and not (isinstance(device_map, Mapping) and device_map):
        raise UsageError(
            f'device_map is {device_map!r}; expected "auto", or the device of each module by name',
            argument="device_map",
        )
    need("device_map", *EXTRAS["divide"])


def main_device(device: str | None, device_map: DeviceMap | None) -> torch.device:
    """Return the device of a model, or of a divided one the first that runs layers.

    Raises:
        UsageError: it is not available on this machine.
    """
    if not isinstance(device_map, Mapping):
        return pick_device(device)
    running = [place for place in device_map.values() if place not in WHERE]
    return pick_device(running[0] if running else "cpu")


def settle(name: str, model: Any, place: torch.device) -> Any:
    """Move a model to its device, unless it is divided: then warn of modules without a place."""
    if not is_divided(model):
        return model.to(place)
    places = list(model.hf_device_map.values())
    stored = [one for one in places if one in WHERE and str(one) != place.type]
    if stored:
        where = " and ".join(WHERE[one] for one in sorted(set(stored)))
        warnings.warn(
            f"{name} does not fit the memory of its devices: {plural(len(stored), 'module')} of "
            f"{len(places)} are kept {where} and copied for every batch, which is slow",
            stacklevel=4,
        )
    return model


def _show(device_map: DeviceMap) -> str:
    return device_map if isinstance(device_map, str) else "a mapping"
