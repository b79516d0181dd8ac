"""The settings of the argument, a record each: how a model is trained, and what is asked of it.

settings.json -> SETTINGS: the paper's tables 6 and 7, its script's two bugs, what it did not try
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from e5v.errors import UsageError
from e5v.evaluation.variants import Ablation
from e5v.training.recipe import Mode
from nano.triplets import COMPOSED, REAL, SIZED


@dataclass(frozen=True)
class Numbers:
    """What all trainings have in common; chosen on the validation split."""

    steps: int = 400
    batch: int = 64
    lr: float = 1e-3
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    symmetric: bool = True
    text_tokens: int = 48
    rows: int = 20_000
    composed: float = COMPOSED
    sizes: float = SIZED
    nli_share: float = REAL


@dataclass(frozen=True)
class Setting:
    """One line of the argument.

    `images` is the share of pictures among the anchors, and `changes` are numbers that are not as
    all have them in common. NAME-compute has as many steps as text-only training of the same seed
    would pay for of NAME. With `whole`, it is also asked for words, English, another style,
    lettered captions and STS-B.
    """

    name: str
    title: str
    trained: bool = True
    images: float = 0.0
    negatives: bool = True
    prompt: str = "retrieval"
    template: Mode = "fixed"
    mask: Mode = "fixed"
    changes: Mapping[str, Any] = field(default_factory=dict)
    ablations: Sequence[Ablation] = ()
    whole: bool = False

    def label(self, seed: int) -> str:
        """Name a result; what is not trained has no seed."""
        return f"{self.name}-{seed}" if self.trained else self.name


def read_settings(file: Path) -> list[Setting]:
    """Read a table of settings."""
    return [Setting(**one) for one in json.loads(file.read_text(encoding="utf-8"))]


SETTINGS = read_settings(Path(__file__).with_suffix(".json"))


class Named(Protocol):
    """A record that is found by its name."""

    @property
    def name(self) -> str:
        """Its name, which no other has."""


Found = TypeVar("Found", bound=Named)


def find_settings(names: Collection[str], settings: Sequence[Setting] = SETTINGS) -> list[Setting]:
    """Return the settings of some names in the table's order; all for none.

    Raises:
        UsageError: a name is not known.
    """
    return find_named(names, settings)


def find_named(names: Collection[str], settings: Sequence[Found]) -> list[Found]:
    """Return the records of some names in the table's order; all for none.

    Raises:
        UsageError: a name is not known.
    """
    known = [one.name for one in settings]
    if unknown := set(names).difference(known):
        raise UsageError(f"setting {min(unknown)} is not known; name some of {', '.join(known)}")
    return [one for one in settings if not names or one.name in names]
