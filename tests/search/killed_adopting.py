"""An adoption of parts that is killed: run as a program, two rows at a time, until it dies.

    python -m tests.search.killed_adopting PARTS INDEX PLACE NTH

PLACE and NTH are as in `tests.search.killed`.
"""

import sys

import e5v
from e5v.search import pending
from tests.search.killed import arm


def main(parts: str, index: str, place: str, nth: str) -> None:
    """Adopt until the trap shuts."""
    pending.COMMIT_ROWS = 2
    arm(place, int(nth))
    e5v.index(index=index, vectors=parts)


if __name__ == "__main__":
    main(*sys.argv[1:])
