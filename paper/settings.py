"""What is trained and measured, a record each: every row of ours in the paper's tables.

settings.json -> SETTINGS: Table 6's prompts, Table 7's data, Table 8's models, the script's bugs
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from e5v.training.recipe import Mode
from nano.settings import find_named

FILES = {"nli": "nli_for_simcse.csv", "llava-pretrain": "captions.jsonl"}  # what training reads


@dataclass(frozen=True)
class Setting:
    """One row of the tables: which base is trained on which data, and how it is asked.

    `tables` are those of the paper that it is in. `data` are names of data sets, `weights` their
    shares of the rows of every batch, by default those of their rows. `prompt` is the wording in
    training, and `prompts` is what it is measured with (`e5v evaluate --prompts`). With `whole`,
    its rankings are written for CIRR's test server, its gap is measured, it is asked for words,
    images are cut both ways and, if it is trained, captions drawn both ways.
    """

    name: str
    title: str
    tables: str
    base: str = "llama3"
    trained: bool = True
    data: tuple[str, ...] = ("nli",)
    weights: tuple[float, ...] = ()
    prompt: str = "retrieval"
    prompts: Literal["one-word", "prompt", "no-prompt"] = "one-word"
    template: Mode = "fixed"
    mask: Mode = "fixed"
    whole: bool = False

    @property
    def mixture(self) -> str:
        """What share of a batch is of which data, if there are weights."""
        parts = zip(self.weights, self.data, strict=True) if self.weights else ()
        return ", ".join(f"{weight / sum(self.weights):.0%} {name}" for weight, name in parts)

    def label(self, seed: int) -> str:
        """Name a result; what is not trained has no seed."""
        return f"{self.name}-{seed}" if self.trained else self.name

    def seeds(self, wanted: tuple[int, ...]) -> tuple[int, ...]:
        """Return the seeds that it is trained with; one if it is not trained."""
        return wanted if self.trained else wanted[:1]


@dataclass(frozen=True)
class Numbers:
    """What all trainings have in common; the defaults are the paper's recipe."""

    steps: int = 1000
    """Optimiser steps."""
    batch: int = 768
    """Rows of a batch."""
    every: int = 50
    """Steps between checkpoints, from which a training that was killed goes on."""
    chunk_tokens: int | None = None
    """Tokens per gradient chunk: fewer need less memory."""
    recompute: bool = False
    """Recompute activations in the backward pass, to save memory."""
    four_bit: bool = False
    """Load the frozen weights in 4 bits, as the paper did."""


def _read_settings(file: Path) -> list[Setting]:
    rows = json.loads(file.read_text(encoding="utf-8"))
    lists = ("data", "weights")
    return [
        Setting(**row | {name: tuple(row.get(name, getattr(Setting, name))) for name in lists})
        for row in rows
    ]


SETTINGS = _read_settings(Path(__file__).with_suffix(".json"))


def find_settings(names: Collection[str]) -> list[Setting]:
    """Return the settings of some names in the table's order; all for none.

    Raises:
        UsageError: a name is not known.
    """
    return find_named(names, SETTINGS)
