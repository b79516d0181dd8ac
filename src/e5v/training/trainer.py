"""Trains a language model on text pairs, so that the whole multimodal model embeds better.

    triplets -> step -> gradient -> adapter -> log -> checkpoint -> measurement

The vision tower takes no part in training: what the language model learns from sentences applies
to images too, because the one-word prompt maps both to the same space (E5-V, section 3.2).
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from e5v.errors import TrainingError
from e5v.extras import EXTRAS, need
from e5v.model.failures import model_errors
from e5v.training.lesson import Lesson, Taken
from e5v.training.plots import draw
from e5v.training.ranks import Ranks, joined
from e5v.training.recipe import Recipe
from e5v.training.run import Begun, Measured, Run, Step
from e5v.training.run_folder import RunFolder, write_folder
from e5v.training.triplets import Triplets, read_triplets


def train(
    model: str,
    data: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    recipe: Recipe | None = None,
    evaluation: Path | str | None = None,
    progress: Callable[[Begun | Step | Measured], object] | None = None,
) -> Path:
    """Train a LoRA adapter on text pairs; return its folder, `out`/adapter.

    Args:
        model: a hub id or a folder of an image-text-to-text model, or "nano-base".
        data: one or more files of triplets (CSV, TSV, JSON, JSON lines, Parquet): see
            `e5v.training.triplets`.
        out: the folder of the run, new or empty: log, checkpoints, adapter.
        recipe: how to train; by default the paper's recipe, 1,000 steps of 768 triplets.
        evaluation: validation data, a file of triplets or a folder of images with captions.jsonl;
            recalls are 0 to 1, every 50 steps.
        progress: is called with `Begun`, then with each `Step` and `Measured`.

    Raises:
        DataError, UsageError, TrainingError: as `fit`.
        ModelError: the model cannot be opened.
    """
    files = [data] if isinstance(data, str | Path) else data
    run = Run(
        model=model,
        data=tuple(map(Path, files)),
        out=Path(out),
        recipe=recipe or Recipe(),
        evaluation=None if evaluation is None else Path(evaluation),
    )
    for event in fit(run):
        if progress is not None:
            progress(event)
    return RunFolder(run.out).adapter


def fit(run: Run) -> Iterator[Begun | Step | Measured]:
    """Train, and yield a record of every step; under torchrun, only rank 0 yields.

    Raises:
        DataError: the data cannot be used, or has fewer rows than a batch.
        UsageError: the folder contains another run, or the recipe does not fit the model.
        TrainingError: the loss or its gradient is not finite, a step does not fit in memory, or a
            checkpoint cannot be written; the last checkpoint is kept.
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
            folder.check(run.record(data), resume=run.resume)  # it may have ended meanwhile
            folder.begin(run.record(data), first)
            yield _begun(data, lesson, first)
            if watch is not None and first == 0:
                yield _measured(0, lesson, folder)

        pace = _Pace(steps - first)
        for step in range(first, steps):
            taken, length = _take_step(step, lesson, ranks, folder)
            _check(step, taken, length, folder)
            record = _step_record(step, taken, student.lr(step), length, pace.step())
            if not ranks.leads:
                continue
            folder.append(record.line())
            yield record

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


def _take_step(step: int, lesson: Lesson, ranks: Ranks, folder: RunFolder) -> tuple[Taken, float]:
    """Take a step; return its result and its gradient norm."""
    try:
        with model_errors(lesson.student.embedder.loaded.name):
            taken = lesson.take(step)
            return taken, lesson.student.learn(step, ranks)
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"step {step + 1} does not fit in the GPU's memory; {folder.kept()}; "
            "use fewer tokens per chunk, or recompute activations in the backward pass",
            argument="chunk_tokens",
        ) from error


def _step_record(step: int, taken: Taken, lr: float, length: float, pace: "_Pace") -> Step:
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
        f"step {step + 1} has a loss of {taken.loss:g} and a gradient norm of {length:g}; "
        f"{folder.kept()}; lower the learning rate, or use float32",
        argument="lr",
    )


class _Pace:
    """Measures the time of a step and estimates the time of those left."""

    def __init__(self, steps: int) -> None:
        self.seconds = 0.0
        self._left, self._done, self._spent = steps, 0, 0.0
        self.resume()

    @property
    def seconds_left(self) -> float:
        """An estimate, from the steps taken so far."""
        return self._left * self._spent / max(self._done, 1)

    def resume(self) -> None:
        """Restart the clock after work that is not a step."""
        self._since = time.perf_counter()

    def step(self) -> "_Pace":
        """Count a step that ends now."""
        self.seconds = time.perf_counter() - self._since
        self._spent += self.seconds
        self._done += 1
        self._left -= 1
        self.resume()
        return self
