"""Which parts a worker encodes: every Nth, as its number says, or what its scheduler says.

"3/8" | SLURM_ARRAY_TASK_ID | JOB_COMPLETION_INDEX | RANK -> Shard
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from e5v.errors import UsageError

WRITTEN = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
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
            last = f"0/{self.count} to {self.count - 1}/{self.count}"
            expected = last if self.count > 0 else "i/N with N at least 1, such as 0/8"
            raise UsageError(f"shard is {self}; expected {expected}", argument="shard")

    def __str__(self) -> str:
        """Return it as it is written: "0/8"."""
        return f"{self.number}/{self.count}"

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
        UsageError: the number of workers is not known, the numbers are not regular, or two
            schedulers say otherwise.
    """
    said = {name: read(environment) for name, read in SCHEDULERS.items() if name in environment}
    first, *others = said.items() or [("", Shard())]
    for name, shard in others:
        if shard != first[1]:
            raise UsageError(
                f"{first[0]} says that the shard is {first[1]}, and {name} that it is {shard}; "
                "give it as i/N",
                argument="shard",
            )
    return first[1]


def _read_slurm(environment: Mapping[str, str]) -> Shard:
    """Return the shard of a task: arrays may begin at any number and have a step."""
    names = ("ID", "COUNT", "MIN", "STEP")
    found = {one: environment.get(f"SLURM_ARRAY_TASK_{one}", "") for one in names}
    if absent := [one for one in names if not found[one]]:
        raise UsageError(
            f"SLURM_ARRAY_TASK_ID is {found['ID']}, but SLURM_ARRAY_TASK_{absent[0]} is not set; "
            "pass it on, or give the shard as i/N",
            argument="shard",
        )
    try:
        id, count, least, step = (int(found[one]) for one in names)
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


def _read_kubernetes(environment: Mapping[str, str]) -> Shard:
    number = environment["JOB_COMPLETION_INDEX"]
    if COUNT not in environment:
        raise UsageError(
            f"JOB_COMPLETION_INDEX is {number}, but Kubernetes does not say of how many: set "
            f"{COUNT} to the completions of the job, or give {number}/N",
            argument="shard",
        )
    return Shard.read(f"{number}/{environment[COUNT]}")


def _read_torchrun(environment: Mapping[str, str]) -> Shard:
    """Return the shard of a rank; without a world, the variable is something else's."""
    if "WORLD_SIZE" not in environment:
        return Shard()
    return Shard.read(f"{environment['RANK']}/{environment['WORLD_SIZE']}")


SCHEDULERS = {
    "SLURM_ARRAY_TASK_ID": _read_slurm,
    "JOB_COMPLETION_INDEX": _read_kubernetes,
    "RANK": _read_torchrun,
}
