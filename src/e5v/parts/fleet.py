"""How many actors an engine starts, and how many cores and GPUs each has.

the nodes' cores and GPUs, what was asked for -> Fleet

On GPUs, an actor for each, with its share of the cores, which decode images. On CPUs, an actor for
every few cores, each with a copy of the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from e5v.errors import UsageError, plural

CORES_EACH = 4  # of an actor on CPUs; more actors are faster for small models, and need more memory


@dataclass(frozen=True)
class Node:
    """A machine of an engine: its cores and GPUs."""

    cores: int
    gpus: int = 0


@dataclass(frozen=True)
class Fleet:
    """`actors` with `cores` and `gpus` each."""

    actors: int
    cores: int
    gpus: int = 0


def find_fleet(nodes: Sequence[Node], actors: int | None, device: str | None) -> Fleet:
    """Return the actors for these nodes.

    `actors` is their number, by default one for each GPU or for every four cores; more of them than
    there are GPUs wait for a cluster that grows. `device` is that of the model: None is a GPU if
    any node has one.

    Raises:
        UsageError: there are fewer cores than actors, or the device is one of several.
    """
    check_device(device)
    gpus = 0 if device == "cpu" else sum(one.gpus for one in nodes)
    if gpus or device == "cuda":
        shares = [one.cores // one.gpus for one in nodes if one.gpus]
        return Fleet(actors or gpus or 1, max(1, min(shares, default=1)), gpus=1)
    cores = sum(one.cores for one in nodes)
    count = actors or max(1, _count_places(nodes, CORES_EACH))
    if count > cores:
        raise UsageError(
            f"engine_actors is {count}, but there {'is' if cores == 1 else 'are'} "
            f"{plural(cores, 'core')}; expected at most as many",
            argument="engine_actors",
        )
    sizes = range(max(one.cores for one in nodes), 0, -1)
    return Fleet(count, next(size for size in sizes if _count_places(nodes, size) >= count))


def check_device(device: str | None) -> None:
    """Raise `UsageError` if the device is one of several, which actors would share."""
    if device not in {None, "cpu", "cuda"}:
        raise UsageError(
            f"device is {device}, but every actor has a GPU of its own; expected cpu or cuda",
            argument="device",
        )


def _count_places(nodes: Sequence[Node], cores: int) -> int:
    """Return how many actors of so many cores fit."""
    return sum(one.cores // cores for one in nodes)
