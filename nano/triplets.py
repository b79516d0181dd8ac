"""Text triplets for `e5v train`, written by the world.

seed -> training scenes -> caption, what follows from it, what does not         -+
                        -> caption and an edit of it, the result, what it is not -+-> CSV
an NLI file             -> its own rows                                          -+

    python -m nano.triplets build/nano/triplets.csv --rows 20000 --seed 1

The positive says the same (70 %) or a true part of it; the hard negative says the same but for
one fact. Three rows in ten are composed: a caption and what is to be different, as texts, in
words near those of the paper's prompt for an image and an edit. The columns are SimCSE's, as those
of the NLI file that the paper trains on, rows of which may be mixed in.
"""

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from e5v.files import replace_file
from nano.captions import caption
from nano.changes import changed, edit
from nano.concepts import WORDINGS
from nano.facts import entailed
from nano.scenes import flip, sample

COLUMNS = ("sent0", "sent1", "hard_neg")
PARAPHRASED = 0.7  # of the positives; the others say less
COMPOSED = 0.3  # of the world's rows
SIZED = 0.0  # of the composed rows
REAL = 0.1  # of all rows, where there is a file of real ones
UNCHANGED = 0.5  # of the negatives of composed rows: what was there before the edit


@dataclass(frozen=True, slots=True)
class Triplet:
    """Three texts, in the order of the columns."""

    anchor: str
    positive: str
    negative: str


def triplets(seed: int, *, composed: float = COMPOSED, sizes: float = SIZED) -> Iterator[Triplet]:
    """Yield triplets without end; the same ones for the same seed."""
    rng = random.Random(seed)
    while True:
        yield _composed(rng, sizes) if flip(rng, composed) else _plain(rng)


def _plain(rng: random.Random) -> Triplet:
    scene = sample(rng, "train")
    says = caption if flip(rng, PARAPHRASED) else entailed
    anchor, positive = caption(scene, rng), says(scene, rng)
    return Triplet(anchor, positive, caption(changed(scene, rng, "train"), rng))


def _composed(rng: random.Random, sizes: float) -> Triplet:
    """Say a scene and an edit of it, and what comes of that."""
    scene = sample(rng, "train")
    resized = sizes > 0 and flip(rng, sizes)  # without a draw, where a seed's rows are older
    asked = edit(scene, rng, "train", resized=resized)
    wording: str = rng.choice(WORDINGS["triplets"])
    anchor = wording.format(x=caption(scene, rng), edit=asked.instruction)
    wrong = scene if flip(rng, UNCHANGED) else changed(asked.target, rng, "train")
    return Triplet(anchor, caption(asked.target, rng), caption(wrong, rng))


def read_nli(file: Path) -> list[Triplet]:
    """Read the rows of an NLI file that have all three columns filled."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [[(row[name] or "").strip() for name in COLUMNS] for row in csv.DictReader(lines)]
    return [Triplet(*row) for row in rows if all(row)]


def _mixed(
    made: Iterator[Triplet], real: Sequence[Triplet], rng: random.Random, share: float
) -> Iterator[Triplet]:
    """Put real rows, each once before any comes again, among those made, at random places."""
    waiting: list[Triplet] = []
    for one in made:
        while flip(rng, share):
            waiting = waiting or rng.sample(real, len(real))
            yield waiting.pop()
        yield one


@dataclass(frozen=True)
class Shares:
    """How many rows are of which kind."""

    composed: float = COMPOSED
    """Of the world's rows: a caption and an edit."""
    sizes: float = SIZED
    """Of composed rows: an edit of a size, more than are drawn in any case."""
    nli_share: float = REAL
    """Of all rows: real ones, where there is a file of them."""


USUAL = Shares()


def write_triplets(
    file: Positional[Path],
    *,
    rows: int = 20_000,
    seed: int = 1,
    shares: OmitArgPrefixes[Shares] = USUAL,
    nli: Path | None = None,
) -> None:
    """Write a CSV of triplets, some of them of an NLI file; it appears when it is whole."""
    made = triplets(seed, composed=shares.composed, sizes=shares.sizes)
    if nli:
        real = random.Random(f"{seed}/real")
        made = _mixed(made, read_nli(nli), real, shares.nli_share)
    file.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(file) as part, part.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(COLUMNS)
        lines.writerows(astuple(one) for one in islice(made, rows))


if __name__ == "__main__":
    tyro.cli(write_triplets)
