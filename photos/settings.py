"""What is trained and asked: nano's kind of record, in a table and with numbers of its own.

settings.json -> SETTINGS: Table 6 of the paper, its script's two bugs, negatives, batch size
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from nano import settings
from nano.settings import Setting, read_settings

SETTINGS = read_settings(Path(__file__).with_suffix(".json"))
CURVED = "text"  # the setting that is scored on its way, too


@dataclass(frozen=True)
class Numbers:
    """What all trainings have in common; chosen on photographs and texts that are not tested on."""

    steps: int = 60
    batch: int = 64
    lr: float = 8e-4
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    chunk_tokens: int = 8192
    every: int = 15
    """Steps between checkpoints, from which a training that was killed goes on."""
    curve: tuple[int, ...] = (15, 30)
    """Steps of some of these checkpoints that are kept, to be scored as the last one is."""


def find_settings(names: Collection[str]) -> list[Setting]:
    """Return the settings of some names in the table's order; all for none.

    Raises:
        UsageError: a name is not known.
    """
    return settings.find_settings(names, SETTINGS)
