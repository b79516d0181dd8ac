"""Data-parallel training: several processes under torchrun, or one alone.

environment -> Ranks -> chunks of each rank -> sums over all ranks
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from e5v.errors import TrainingError, first_line
from e5v.training.recipe import is_distributed

LOST = re.compile(r"\b(gloo|NCCL)\b")  # what gloo raises is a RuntimeError like any other


@dataclass(frozen=True)
class Ranks:
    """This process among `world`; `rank` 0 alone writes and reports.

    `shards` are the devices of all ranks if they divide the frozen layers (`e5v.training.shards`);
    None if each rank has all of them.
    """

    rank: int = 0
    world: int = 1
    shards: DeviceMesh | None = None

    @property
    def leads(self) -> bool:
        """Return whether this process writes files."""
        return self.rank == 0

    def own(self, chunks: Sequence[list[int]]) -> list[tuple[int, list[int]]]:
        """Distribute chunks round-robin; return this rank's, numbered as in `chunks`.

        Ranks with divided layers all get equally many, since they gather each layer together: those
        that would have one less get an empty one.
        """
        mine = [(n, chunk) for n, chunk in enumerate(chunks) if n % self.world == self.rank]
        if self.shards and len(mine) * self.world < len(chunks):
            mine.append((len(chunks) + self.rank, []))
        return mine

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """If layers are divided, run the block on one rank of a machine after another.

        Each opens the whole model in the machine's memory before it keeps its part.
        """
        if not self.shards:
            yield
            return
        for turn in range(int(os.environ.get("LOCAL_WORLD_SIZE", "1"))):
            if turn == int(os.environ.get("LOCAL_RANK", "0")):
                yield
            distributed.barrier()

    def add(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over all ranks."""
        if self.world > 1:
            distributed.all_reduce(tensor)

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace every gradient by its sum over all ranks, in one all-reduce.

        What no item of the batch depends on, such as the projector without an image, gets a
        gradient of 0: the optimiser then does the same with any number of ranks.
        """
        owners = list(parameters)
        grads = [torch.zeros_like(one) if one.grad is None else one.grad for one in owners]
        if self.world == 1:
            for one, grad in zip(owners, grads, strict=True):
                one.grad = grad
            return
        flat = torch.cat([grad.flatten() for grad in grads])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [grad.numel() for grad in grads])
        for one, part in zip(owners, parts, strict=True):
            one.grad = part.view_as(one).clone()


@contextmanager
def joined(device: str | None, *, shard: bool = False) -> Iterator[tuple[Ranks, str | None]]:
    """Join the processes that torchrun started, if any; also yield this process's device.

    `shard` says whether they divide the frozen layers.

    Raises:
        TrainingError: another of the processes ended while this one waited for it.
    """
    if not is_distributed():
        yield Ranks(), device
        return
    on_gpu = device != "cpu" and torch.cuda.is_available()
    if on_gpu:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        world = distributed.get_world_size()
        shards = init_device_mesh("cuda" if on_gpu else "cpu", (world,)) if shard else None
        yield Ranks(distributed.get_rank(), world, shards), device
    except Exception as error:
        if lost := _find_lost(error):
            raise TrainingError(
                f"another process of this training has ended ({first_line(lost)}); see what it "
                "said, and resume the run",
                argument="resume",
            ) from error
        raise
    finally:
        distributed.destroy_process_group()


def _find_lost(error: Exception) -> Exception | None:
    """Return what of an error and its causes says that another process cannot be reached."""
    if isinstance(error, distributed.DistError) or (
        isinstance(error, RuntimeError) and LOST.search(str(error))
    ):
        return error
    return _find_lost(error.__cause__) if isinstance(error.__cause__, Exception) else None
