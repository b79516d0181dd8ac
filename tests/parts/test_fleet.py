"""How many actors, and with what: what fits on the nodes that there are."""

import pytest

from e5v.errors import UsageError
from e5v.parts.fleet import Fleet, Node, find_fleet

GPUS = [Node(4), Node(128, 8), Node(96, 8)]  # a head without a GPU, and two workers


@pytest.mark.parametrize(
    ("nodes", "actors", "device", "fleet"),
    [
        ([Node(2)], None, None, Fleet(1, 2)),
        ([Node(16)], None, None, Fleet(4, 4)),
        ([Node(2)], 2, None, Fleet(2, 1)),
        ([Node(6), Node(2)], 2, None, Fleet(2, 3)),  # 4 each would leave one without a place
        ([Node(3), Node(3)], None, "cpu", Fleet(1, 3)),
        (GPUS, None, None, Fleet(16, 12, 1)),
        (GPUS, 4, None, Fleet(4, 12, 1)),
        (GPUS, None, "cpu", Fleet(57, 4)),
        ([Node(4)], 8, "cuda", Fleet(8, 1, 1)),  # nodes with GPUs are still to come
        ([Node(1, 2)], None, None, Fleet(2, 1, 1)),
    ],
)
def test_every_actor_has_a_place(
    nodes: list[Node], actors: int | None, device: str | None, fleet: Fleet
) -> None:
    """Catches actors that wait for ever for cores that no node has, and GPUs that are idle."""
    assert find_fleet(nodes, actors, device) == fleet


@pytest.mark.parametrize(
    ("nodes", "actors", "device", "message"),
    [
        ([Node(2)], 3, None, "engine_actors is 3, but there are 2 cores"),
        ([Node(1)], 2, None, "engine_actors is 2, but there is 1 core;"),
        (GPUS, None, "cuda:1", "device is cuda:1, but every actor has a GPU of its own"),
    ],
)
def test_actors_that_have_none(
    nodes: list[Node], actors: int | None, device: str | None, message: str
) -> None:
    """Catches a run that begins, and never encodes anything."""
    with pytest.raises(UsageError, match=message):
        find_fleet(nodes, actors, device)
