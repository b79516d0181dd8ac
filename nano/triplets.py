"""Text triplets for `e5v train`, written by the world.

seed -> training scenes -> caption, what follows from it, what does not -> CSV

    python -m nano.triplets build/nano/triplets.csv --rows 20000 --seed 1

The positive says the same (70 %) or a true part of it; the hard negative says the same but for
one fact. The columns are SimCSE's, as those of the NLI file that the paper trains on.
"""

import argparse
import csv
import random
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path

from nano.captions import caption
from nano.chance import chance
from nano.edits import changed
from nano.facts import entailed
from nano.scenes import sample

COLUMNS = ("sent0", "sent1", "hard_neg")
PARAPHRASED = 0.7  # of the positives; the others say less


@dataclass(frozen=True, slots=True)
class Triplet:
    """Three captions, in the order of the columns."""

    anchor: str
    positive: str
    negative: str


def triplets(seed: int) -> Iterator[Triplet]:
    """Yield triplets without end; the same ones for the same seed."""
    rng = random.Random(seed)
    while True:
        scene = sample(rng, "train")
        says = caption if chance(rng, PARAPHRASED) else entailed
        yield Triplet(
            caption(scene, rng), says(scene, rng), caption(changed(scene, rng, "train"), rng)
        )


def write_triplets(file: Path, *, rows: int, seed: int) -> None:
    """Write a CSV, beside its name first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.partial")
    with partial.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(COLUMNS)
        lines.writerows(astuple(one) for one in islice(triplets(seed), rows))
    partial.replace(file)


def main() -> None:
    """Write the file that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    write_triplets(asked.file, rows=asked.rows, seed=asked.seed)


if __name__ == "__main__":
    main()
