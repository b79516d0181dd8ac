"""Open the encoder of a model: here, on several devices, or on an engine.

name + device -> Encoder; name + devices -> DevicePool; name + EngineAddress -> EngineEncoder
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, Unpack

from e5v.errors import UsageError
from e5v.model.device_pool import DevicePool, open_pool
from e5v.model.devices import list_devices
from e5v.model.encoder import Encoder
from e5v.model.engine_address import EngineAddress
from e5v.model.engine_encoder import EngineEncoder, open_on_engine
from e5v.model.loading import Loaded, load
from e5v.model.locating import absolute_name
from e5v.model.opening import ModelOptions, Opening, OpenOptions, Order

AnyEncoder: TypeAlias = Encoder | DevicePool | EngineEncoder


def open_encoder(
    model: str | Path | Loaded,
    *,
    device: str | Sequence[str] | EngineAddress | None = None,
    readout: str = "last",
    **how: Unpack[ModelOptions],
) -> AnyEncoder:
    """Open a model here, unless it is open already, or on an engine if the device is one.

    On several devices, all have the dtype of the first.

    Raises:
        EngineError: as `open_on_engine`.
        ModelError: the model cannot be opened.
        UsageError: an option is unknown, or for weights that are here.
    """
    opening = Opening(**how)  # refuses what is no option, for an open model, too
    if isinstance(model, Loaded):
        if isinstance(device, EngineAddress):
            raise UsageError("an open model needs no engine; name the model", argument="device")
        _check_for_open(opening)
        return Encoder(model, readout)
    if isinstance(device, EngineAddress):
        _check_for_engine(opening, readout)
        return open_on_engine(model, device, opening)
    devices = list_devices(device) or (None,)
    here: OpenOptions = {**how, "device": devices[0]}
    first = Encoder(load(model, **here), readout)
    if len(devices) == 1:
        return first
    dtype: Any = str(first.loaded.model.dtype).removeprefix("torch.")  # one for all
    order = Order(absolute_name(model), readout, {**here, "dtype": dtype})
    return open_pool(first, order, devices[1:])


def _check_for_open(how: Opening) -> None:
    if option := how.find_changed(("recipe", "adapter", "image_tokens", "weights", "device_map")):
        noun = option.replace("_", " ")
        raise UsageError(f"an open model takes no {noun}; name the model", argument=option)


def _check_for_engine(how: Opening, readout: str) -> None:
    if readout != "last":
        raise UsageError(f'readout is "{readout}"; an engine has only "last"', argument="readout")
    if how.device_map is not None:
        raise UsageError(
            "device_map divides the weights of a model that runs here; an engine has its own",
            argument="device_map",
        )
    if how.adapter is not None:
        raise UsageError(
            "an engine has its own weights; merge the adapter, and let the engine serve the result",
            argument="adapter",
        )
