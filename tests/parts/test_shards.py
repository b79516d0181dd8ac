"""Which worker this is, as it is written or as a scheduler says."""

import pytest

from e5v.errors import UsageError
from e5v.parts.shards import Shard, find_shard


def slurm(id: int, count: int, least: int, step: int = 1) -> dict[str, str]:
    """Return what SLURM tells a task of an array."""
    given = {"ID": id, "COUNT": count, "MIN": least, "STEP": step}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in given.items()}


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        ({}, Shard(0, 1)),
        (slurm(0, 8, 0), Shard(0, 8)),
        (slurm(8, 8, 1), Shard(7, 8)),
        (slurm(14, 4, 10, 2), Shard(2, 4)),
        ({"JOB_COMPLETION_INDEX": "3", "E5V_SHARDS": "4"}, Shard(3, 4)),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Shard(1, 2)),
        ({"RANK": "1"}, Shard(0, 1)),
        (slurm(3, 4, 0) | {"RANK": "3", "WORLD_SIZE": "4"}, Shard(3, 4)),
    ],
)
def test_schedulers(environment: dict[str, str], shard: Shard) -> None:
    """Catches a part that no worker has, or two have."""
    assert find_shard(environment) == shard


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (slurm(9, 3, 2), "SLURM_ARRAY_TASK_ID is 9, which is not one of 3 regular numbers"),
        (slurm(3, 3, 2, 2), "which is not one of 3 regular numbers"),
        (slurm(0, 0, 0, 0), "which is not one of 0 regular numbers"),
        ({"SLURM_ARRAY_TASK_ID": "5"}, "SLURM_ARRAY_TASK_COUNT is not set; pass it on"),
        (
            {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "8"},
            "SLURM_ARRAY_TASK_MIN is not set",
        ),
        (
            slurm(3, 4, 0) | {"RANK": "0", "WORLD_SIZE": "8"},
            "SLURM_ARRAY_TASK_ID says that the shard is 3/4, and RANK that it is 0/8",
        ),
        (
            {"JOB_COMPLETION_INDEX": "3"},
            "set E5V_SHARDS to the completions of the job, or give 3/N",
        ),
        ({"RANK": "x", "WORLD_SIZE": "2"}, "shard is x/2; expected i/N"),
    ],
)
def test_schedulers_that_say_too_little(environment: dict[str, str], message: str) -> None:
    """Catches a worker that encodes all parts, or none, without a word."""
    with pytest.raises(UsageError, match=message):
        find_shard(environment)


@pytest.mark.parametrize(
    "written", ["2/2", "1/0", "-1/2", "1", "1/2/3", "a/b", "", "0/0", "\u0661/2", "0/" + "9" * 5000]
)
def test_what_is_no_shard(written: str) -> None:
    """Catches numbers from 1, and a count of nothing."""
    with pytest.raises(UsageError, match="shard is"):
        Shard.read(written)


def test_shards_share_all_parts() -> None:
    """Catches a part of two workers."""
    shards = [Shard.read(f"{number}/3") for number in range(3)]
    assert all(sum(shard.has(place) for shard in shards) == 1 for place in range(10))
