"""What a training run is asked to do: the paper's recipe, and what may be changed of it.

Nothing heavy is imported here: the command line reads its options off this record.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, arg

from e5v.errors import UsageError

Mode = Literal["fixed", "faithful"]


@dataclass(frozen=True)
class Objective:
    """What is minimised."""

    temperature: float = 0.05
    """Cosines are divided by it."""
    symmetric: bool = False
    """Add the way back, from each positive to the anchors."""
    dims: Annotated[tuple[int, ...], arg(metavar="WIDTH...")] = ()
    """Matryoshka: widths at which vectors shall be good when cut."""
    teacher: Annotated[Path | None, arg(metavar="FILE")] = None
    """A .npy that says how alike texts are: similarities (n, n) of anchor and positive, or a
    teacher's vectors (n, 2, d) of both, one for each row of the data."""
    distil: float = 1.0
    """With a teacher: its share of the loss, 0 to 1."""


@dataclass(frozen=True)
class Adapter:
    """The LoRA on every linear layer of the language model but its head."""

    rank: int = 64
    """Its rank."""
    alpha: int = 16
    """Its scale, divided by the rank."""
    dropout: float = 0.05
    """Share of its input dropped while training, 0 to 1."""


@dataclass(frozen=True)
class Recipe:
    """How a language model is trained; the defaults are the paper's (its code, where it differs).

    Raises:
        UsageError: a value is out of range.
    """

    batch: int = 768
    """Triplets that one step compares, on all devices together."""
    steps: int = 1000
    """Optimiser steps."""
    lr: float = 4e-4
    """Peak of the learning rate, which then falls to 0 in a line."""
    warmup: Annotated[int | None, arg(metavar="STEPS")] = None
    """Steps in which it rises; by default a tenth of all, the paper's 100 of 1,000."""
    clip: float = 1.0
    """Longest gradient; longer ones are shortened to it."""
    seed: int = 42
    """Of the order of the data, the adapter's first weights and its dropout."""
    prompt: str = "retrieval"
    """A prompt by name, or a wording with <text> in it."""
    text_tokens: int = 32
    """A text is cut to so many tokens before the prompt is put around it."""
    template: Mode = "fixed"
    """fixed: the prompt as it is used afterwards; faithful: as the official script breaks it."""
    mask: Mode = "fixed"
    """fixed: a text attends to itself alone, and equal texts are not held against each other;
    faithful: as in the official script, padding is attended to and equal texts count as false."""
    chunk_tokens: Annotated[int | None, arg(metavar="N")] = None
    """Tokens whose gradient is taken at once: memory against speed, never the result."""
    recompute: bool = False
    """Compute activations again on the way back (activation checkpointing): less memory."""
    four_bit: bool = False
    """Hold the frozen weights in 4 bits (QLoRA)."""
    objective: OmitArgPrefixes[Objective] = field(default_factory=Objective)
    adapter: OmitArgPrefixes[Adapter] = field(default_factory=Adapter)

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        checks = (
            ("batch", self.batch, self.batch >= 2, "at least 2"),  # noqa: PLR2004
            ("steps", self.steps, self.steps >= 1, "at least 1"),
            ("lr", self.lr, self.lr > 0, "above 0"),
            ("warmup", self.warmup, 0 <= (self.warmup or 0) < self.steps, "0 to below steps"),
            ("clip", self.clip, self.clip > 0, "above 0"),
            ("seed", self.seed, -(2**31) <= self.seed < 2**32, "a number of 32 bits"),
            ("text_tokens", self.text_tokens, self.text_tokens >= 1, "at least 1"),
            ("temperature", self.objective.temperature, self.objective.temperature > 0, "above 0"),
            ("distil", self.objective.distil, 0 < self.objective.distil <= 1, "above 0, at most 1"),
            (
                "dims",
                self.objective.dims,
                all(dim >= 1 for dim in self.objective.dims),
                "1 or more each",
            ),
            ("rank", self.adapter.rank, self.adapter.rank >= 1, "at least 1"),
            ("alpha", self.adapter.alpha, self.adapter.alpha > 0, "above 0"),
            ("dropout", self.adapter.dropout, 0 <= self.adapter.dropout < 1, "0 to below 1"),
        )
        for name, got, fits, expected in checks:
            if not fits:
                raise UsageError(f"{name} is {got}; expected {expected}", argument=name)
        if self.chunk_tokens is not None and self.chunk_tokens < 1:
            raise UsageError(
                f"chunk_tokens is {self.chunk_tokens}; expected at least 1", argument="chunk_tokens"
            )

    def told(self) -> dict[str, Any]:
        """Return all values by name, in one flat record."""
        values = asdict(self)
        objective, adapter = values.pop("objective"), values.pop("adapter")
        return {**values, **objective, **adapter}
