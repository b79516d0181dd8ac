"""Trains a language model on text pairs, so that the whole multimodal model embeds better.

    triplets -> step -> gradient -> adapter -> log -> checkpoint -> measurement

The vision tower is never opened: what the language model learns about sentences holds for images as
well, because the one-word prompt has brought both to the same place (E5-V, section 3.2).
"""

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack

import torch

from e5v.errors import TrainingError
from e5v.extras import EXTRAS, need
from e5v.model.failures import model_errors
from e5v.training.folder import RunFolder, write_folder
from e5v.training.lesson import Lesson, Taken
from e5v.training.plots import draw
from e5v.training.ranks import Ranks, joined
from e5v.training.run import Begun, Measured, Run, Step
from e5v.training.triplets import Triplets, read_triplets


def fit(run: Run) -> Iterator[Begun | Step | Measured]:
    """Train, and tell of every step; under torchrun, one process tells for all.

    Raises:
        DataError: the data cannot be used, or are less than a batch.
        UsageError: the folder holds another run, or the recipe does not fit the model.
        TrainingError: the loss or its gradient is not finite, a step does not fit in memory, or a
            checkpoint cannot be written; the last one stands.
    """
    need("training", *EXTRAS["train"], *(EXTRAS["qlora"] if run.recipe.four_bit else ()))
    data = read_triplets(run.data)
    folder = RunFolder(run.out)
    steps = run.recipe.steps

    with joined(run.device) as (ranks, device), ExitStack() as held:
        folder.check(run.record(data), resume=run.resume)
        lesson = Lesson(run, data, ranks, device)
        student, watch = lesson.student, lesson.watch
        latest = folder.latest()
        first = student.restore(latest) if latest else 0
        if ranks.leads:
            held.enter_context(folder.held())
            folder.check(run.record(data), resume=run.resume)  # it may have ended since
            folder.begin(run.record(data), first)
            yield _begun(data, lesson, first)
            if watch is not None and first == 0:
                yield _measured(0, lesson, folder)

        pace = _Pace(steps - first)
        for step in range(first, steps):
            taken, length = _made(step, lesson, ranks, folder)
            _check(step, taken, length, folder)
            told = _told(step, taken, student.lr(step), length, pace.step())
            if not ranks.leads:
                continue
            folder.append(told.line())
            yield told

            if (step + 1) % run.every == 0 or step + 1 == steps:
                if watch is not None:
                    yield _measured(step + 1, lesson, folder)
                folder.save(step + 1, student.checkpoint())
                pace.resume()

        if ranks.leads:
            write_folder(folder.adapter, student.adapter())
            draw(folder.log, folder.path / "training.png")


def _begun(data: Triplets, lesson: Lesson, first: int) -> Begun:
    return Begun(
        rows=len(data.rows),
        broken=data.broken,
        left_out=lesson.watch.held_out.left_out if lesson.watch else 0,
        weights=sum(weight.numel() for weight in lesson.student.weights),
        step=first,
        notes=data.notes,
    )


def _measured(step: int, lesson: Lesson, folder: RunFolder) -> Measured:
    """Measure on held-out data, and log it."""
    assert lesson.watch is not None
    measured = Measured(step, lesson.watch.measure(lesson.student.embedder))
    folder.append(measured.line())
    return measured


def _made(step: int, lesson: Lesson, ranks: Ranks, folder: RunFolder) -> tuple[Taken, float]:
    """Make a step; return what it gave, and the length of its gradient."""
    try:
        with model_errors(lesson.student.embedder.loaded.name):
            taken = lesson.take(step)
            return taken, lesson.student.learn(step, ranks)
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"step {step + 1} does not fit in the GPU's memory; {folder.kept()}; "
            "lower the tokens of a chunk, or compute activations again on the way back",
            argument="chunk_tokens",
        ) from error


def _told(step: int, taken: Taken, lr: float, length: float, pace: "_Pace") -> Step:
    return Step(
        step=step + 1,
        loss=taken.loss,
        accuracy=taken.accuracy,
        lr=lr,
        grad_norm=length,
        tokens=taken.tokens,
        cut=taken.cut,
        seconds=pace.seconds,
        seconds_left=pace.seconds_left,
    )


def _check(step: int, taken: Taken, length: float, folder: RunFolder) -> None:
    if math.isfinite(taken.loss) and math.isfinite(length):
        return
    raise TrainingError(
        f"step {step + 1} has a loss of {taken.loss:g} and a gradient of length {length:g}; "
        f"{folder.kept()}; lower the learning rate, or compute in float32",
        argument="lr",
    )


class _Pace:
    """How long the last step took, and how long those that are left will."""

    def __init__(self, steps: int) -> None:
        self.seconds = 0.0
        self._left, self._done, self._spent = steps, 0, 0.0
        self.resume()

    @property
    def seconds_left(self) -> float:
        """A guess, from the steps made so far."""
        return self._left * self._spent / max(self._done, 1)

    def resume(self) -> None:
        """Start the clock again after something that is no step."""
        self._since = time.perf_counter()

    def step(self) -> "_Pace":
        """Count a step that ends now."""
        self.seconds = time.perf_counter() - self._since
        self._spent += self.seconds
        self._done += 1
        self._left -= 1
        self.resume()
        return self
