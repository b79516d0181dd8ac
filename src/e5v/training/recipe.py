"""The options of a training run; the defaults are the paper's recipe.

Nothing heavy is imported here: the command line generates its options from these classes.
"""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, arg

from e5v.errors import UsageError

Mode = Literal["fixed", "faithful"]
Batching = Literal["mixed", "homogeneous"]
Trained = Literal["language", "projector"]

PROJECTOR_SCALE = 0.1


@dataclass(frozen=True)
class Objective:
    """The loss."""

    temperature: Annotated[float, arg(metavar="X")] = 0.05
    """Cosine similarities are divided by the temperature."""
    symmetric: bool = False
    """Symmetric loss: also classify the anchor of each positive."""
    dims: Annotated[tuple[int, ...], arg(metavar="N...")] = ()
    """Matryoshka dimensions: also train on the first N values of each vector."""
    teacher: Annotated[Path | None, arg(metavar="FILE")] = None
    """Distillation: a .npy with a teacher's similarities (n, n) of anchors and positives, or its
    vectors (n, 2, d) of both, for the n rows of the data."""
    distil: Annotated[float, arg(metavar="X")] = 1.0
    """Weight of the teacher's part in the loss, above 0 to 1."""


@dataclass(frozen=True)
class Adapter:
    """LoRA on every linear layer of the language model except the output head."""

    rank: Annotated[int, arg(metavar="N")] = 64
    """LoRA rank."""
    alpha: Annotated[int, arg(metavar="N")] = 16
    """LoRA alpha: the scale is alpha / rank."""
    dropout: Annotated[float, arg(metavar="X")] = 0.05
    """LoRA dropout, 0 to below 1."""


@dataclass(frozen=True)
class Recipe:
    """The recipe; the defaults are the paper's, or its code's where they differ.

    Raises:
        UsageError: a value is out of range.
    """

    batch: Annotated[int, arg(metavar="N")] = 768
    """Batch size in triplets, over all devices together."""
    batches: Batching = "mixed"
    """Batches of several files: mixed has rows of all files in every batch, homogeneous the rows of
    one file."""
    steps: Annotated[int, arg(metavar="N")] = 1000
    """Number of optimiser steps."""
    lr: Annotated[float, arg(metavar="X")] = 4e-4
    """Peak learning rate; linear warmup and linear decay to 0."""
    train: Trained = "language"
    """What is trained: language is the LoRA only; projector is the LoRA and all weights of the
    projector, between vision tower and language model, which the paper leaves as they are."""
    projector_lr: Annotated[float | None, arg(metavar="X")] = None
    """Peak learning rate of the projector's weights; by default a tenth of the other."""
    warmup: Annotated[int | None, arg(metavar="STEPS")] = None
    """Warmup steps; by default a tenth of all steps."""
    clip: Annotated[float, arg(metavar="X")] = 1.0
    """Gradient-norm clipping threshold."""
    seed: Annotated[int, arg(metavar="N")] = 42
    """Random seed of the data order, the adapter's initial weights and dropout."""
    prompt: Annotated[str, arg(metavar="PROMPT")] = "retrieval"
    """Name of a prompt, or your own with <text> where the text goes, and <instruction> if rows have
    one."""
    text_tokens: Annotated[int, arg(metavar="N")] = 32
    """Truncate each text to N tokens, not counting the prompt."""
    template: Mode = "fixed"
    """Prompt in training: fixed is the one used for embedding; faithful reproduces the mistake of
    the official script."""
    mask: Mode = "fixed"
    """Attention mask: fixed hides padding and leaves equal texts out of the loss; faithful does
    neither, as the official script does."""
    chunk_tokens: Annotated[int | None, arg(metavar="N")] = None
    """Tokens per gradient chunk: fewer need less memory and more time, with the same result."""
    recompute: bool = False
    """Recompute activations in the backward pass (activation checkpointing) to save memory."""
    four_bit: bool = False
    """Load the frozen weights in 4 bits (QLoRA)."""
    objective: OmitArgPrefixes[Objective] = field(default_factory=Objective)
    adapter: OmitArgPrefixes[Adapter] = field(default_factory=Adapter)

    def __post_init__(self) -> None:
        """Check that every value is in range."""
        checks = (
            ("batch", self.batch, self.batch >= 2, "at least 2"),  # noqa: PLR2004
            ("steps", self.steps, self.steps >= 1, "at least 1"),
            ("lr", self.lr, self.lr > 0, "above 0"),
            (
                "projector_lr",
                self.projector_lr,
                self.projector_lr is None or self.projector_lr > 0,
                "above 0",
            ),
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

        if self.train == "projector" and self.four_bit:
            raise UsageError(
                "the projector cannot be trained in 4 bits; train the language model only, or load "
                "the weights in full",
                argument="train",
            )
        if self.train != "projector" and self.projector_lr is not None:
            raise UsageError(
                f"projector_lr is {self.projector_lr}, but the projector is not trained; train it, "
                "or leave its learning rate out",
                argument="projector_lr",
            )

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, from 0: linear warmup, then linear decay to 0."""
        warmup = self.steps // 10 if self.warmup is None else self.warmup
        rise, fall = (step + 1) / max(warmup, 1), (self.steps - step) / (self.steps - warmup)
        return self.lr * min(rise, fall, 1.0)

    @property
    def projector_scale(self) -> float:
        """The projector's learning rate as a multiple of the LoRA's.

        LLaVA-1.5 is tuned with a LoRA at 2e-4 and a projector at 2e-5.
        """
        return PROJECTOR_SCALE if self.projector_lr is None else self.projector_lr / self.lr

    def told(self) -> dict[str, Any]:
        """Return all values by name, in one flat dictionary."""
        values = asdict(self)
        objective, adapter = values.pop("objective"), values.pop("adapter")
        return {**values, **objective, **adapter}


def is_distributed() -> bool:
    """Return whether torchrun started this process."""
    return "LOCAL_RANK" in os.environ


def check_shard(recipe: Recipe) -> None:
    """Check that the frozen layers can be divided among the processes of a run.

    Raises:
        UsageError: there is one process, or the weights are in 4 bits.
    """
    if not is_distributed():
        raise UsageError(
            "the layers of the model are divided among several processes, and this is one; "
            "start them with torchrun",
            argument="shard",
        )
    if recipe.four_bit:
        raise UsageError(
            "weights in 4 bits cannot be divided among processes; choose one of the two",
            argument="shard",
        )
