"""Frozen layers that the ranks divide among them (FSDP2), for a model that does not fit one GPU.

decoder layers -> each rank keeps a part of every frozen weight
               -> a layer is gathered from all ranks while it runs, forward and backward

Only the decoder layers are divided, nearly all of a large model: the adapter, the embeddings and
the vision tower are whole on every rank, so that gradients, checkpoints and the optimiser are those
of training without division. What is frozen has no gradient to be exchanged.
"""

from typing import Any

from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from e5v.model.devices import pick_device, pick_dtype
from e5v.model.loading import Loaded
from e5v.model.opening import Opening, OpenOptions


def opening_on_host(opening: OpenOptions) -> OpenOptions:
    """Return how to open a model that may not fit its device: on the CPU, in the device's dtype."""
    how = Opening(**opening)
    dtype: Any = str(pick_dtype(how.dtype, pick_device(how.device))).removeprefix("torch.")
    changed: OpenOptions = {**opening, "device": "cpu", "dtype": dtype}
    return changed


def shard_layers(loaded: Loaded, mesh: DeviceMesh) -> None:
    """Keep this rank's part of a model that is open on the CPU, and move it to the rank's device.

    Needs no other rank: they need not come here at the same time.
    """
    model = loaded.language_model
    for layer in model.layers:
        trained = {weight for weight in layer.parameters() if weight.requires_grad}
        fully_shard(layer, mesh=mesh, ignored_params=trained)
    divided = {id(weight) for layer in model.layers for weight in layer.parameters()}
    whole = {weight for weight in model.parameters() if id(weight) not in divided}
    fully_shard(model, mesh=mesh, ignored_params=whole)  # gathers one layer while another runs
    loaded.model.to(mesh.device_type)  # the rank's own is the current one


def gather_once(loaded: Loaded) -> None:
    """Gather each layer once, on all ranks together, and let it go.

    torch makes the memory for gathered weights at the first time. Were that while validation data
    are measured, without gradients, no gradient could be computed through it later.
    """
    for layer in loaded.language_model.layers:
        assert isinstance(layer, FSDPModule)
        layer.unshard()
        layer.reshard()
