"""Which parts a worker encodes: every Nth, as its number says, or what its scheduler says.

"3/8" | SLURM_ARRAY_TASK_ID | JOB_COMPLETION_INDEX | RANK -> Shard
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from e5v.errors import UsageError

WRITTEN = re.compile(r"(\d+)/(\d+)")
COUNT = "E5V_SHARDS"


@dataclass(frozen=True)
class Shard:
    """Worker `number` of `count`, counted from 0; it has parts number, number + count, ..."""

    number: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            UsageError: the worker is not one of so many.
        """
        if not 0 <= self.number < self.count:
            raise UsageError(
                f"shard is {self.number}/{self.count}; expected 0/{self.count} to "
                f"{max(0, self.count - 1)}/{self.count}",
                argument="shard",
            )

    def has(self, place: int) -> bool:
        """Return whether the part in a place of the plan is this worker's."""
        return place % self.count == self.number

    @classmethod
    def read(cls, written: str) -> "Shard":
        """Read "3/8".

        Raises:
            UsageError: it is not written so, or out of range.
        """
        found = WRITTEN.fullmatch(written)
        if not found:
            raise UsageError(f"shard is {written}; expected i/N, such as 0/8", argument="shard")
        return cls(int(found[1]), int(found[2]))


def find_shard(environment: Mapping[str, str]) -> Shard:
    """Return the shard that a scheduler gives a worker; all parts if there is no scheduler.

    Known are a SLURM array, an indexed job of Kubernetes (which gives no count: set E5V_SHARDS),
    and torchrun.

    Raises:
        UsageError: the number of workers is not known, or the numbers are not regular.
    """
    if "SLURM_ARRAY_TASK_ID" in environment:
        return _read_slurm(environment)
    if "JOB_COMPLETION_INDEX" in environment:
        number = environment["JOB_COMPLETION_INDEX"]
        if COUNT not in environment:
            raise UsageError(
                f"JOB_COMPLETION_INDEX is {number}, but Kubernetes does not say of how many: set "
                f"{COUNT} to the completions of the job, or give {number}/N",
                argument="shard",
            )
        return Shard.read(f"{number}/{environment[COUNT]}")
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return Shard.read(f"{environment['RANK']}/{environment['WORLD_SIZE']}")
    return Shard()


def _read_slurm(environment: Mapping[str, str]) -> Shard:
    """Return the shard of a task: arrays may begin at any number and have a step."""
    names = ("ID", "COUNT", "MIN", "STEP")
    defaults = {"COUNT": "1", "MIN": environment["SLURM_ARRAY_TASK_ID"], "STEP": "1"}
    found = {one: environment.get(f"SLURM_ARRAY_TASK_{one}", defaults.get(one)) for one in names}
    try:
        id, count, least, step = (int(found[one] or "") for one in names)
        number, rest = divmod(id - least, step)
    except (ValueError, ZeroDivisionError):
        number, rest, count = 0, 1, 1
    if rest or not 0 <= number < count:
        raise UsageError(
            f"SLURM_ARRAY_TASK_ID is {found['ID']}, which is not one of {found['COUNT']} regular "
            "numbers; give the shard as i/N",
            argument="shard",
        )
    return Shard(number, count)
