"""Training, step by step: the language model learns from triplets of items.

    triplets -> batch -> prompts -> loss and its gradient -> optimiser -> log
             -> every so many steps: measurement on validation data, checkpoint

An item is a text, an image or a mixture of both. The paper trains on texts alone: what the language
model learns from sentences applies to images too, because the one-word prompt maps both to the same
space (E5-V, section 3.2). The vision tower is then not loaded. If the data have images, it is
loaded and stays frozen (Table 7); its tokens of an image are kept for later steps
(`e5v.training.image_cache`), unless the projector is trained as well.
"""

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Unpack

import torch

from e5v.extras import EXTRAS, need
from e5v.model.embedder import E5V
from e5v.model.encoder import Encoder, Prompted
from e5v.model.loading import Loaded, load
from e5v.model.locating import find_model
from e5v.model.opening import OpenOptions, Weights
from e5v.model.partial import Part
from e5v.model.prompts import find_prompt
from e5v.model.recognising import recognise
from e5v.training.adapter import (
    adapter_files,
    add_adapter,
    release_projector,
    set_training_mode,
    trained,
    trained_projector,
)
from e5v.training.checkpoint import make_optimiser, optimiser_files, restore_checkpoint
from e5v.training.checks import check_asked, check_data, check_model
from e5v.training.chunks import choose_pass
from e5v.training.gradcache import GradCache
from e5v.training.image_cache import ImageCache, open_cache
from e5v.training.loss import Loss, batch_loss
from e5v.training.plots import draw
from e5v.training.ranks import Ranks, joined
from e5v.training.recipe import Recipe
from e5v.training.run import Begun, Data, Measured, Pace, Run, Step, TrainOptions
from e5v.training.run_folder import RunFolder, write_folder
from e5v.training.sampler import Batch, Batches
from e5v.training.shards import gather_once, opening_on_host, shard_layers
from e5v.training.step_errors import check_finite, step_errors
from e5v.training.teacher import Teacher
from e5v.training.trackers import check_trackers, track
from e5v.training.training_prompts import TrainingPrompts
from e5v.training.triplets import Triplets
from e5v.training.validation import Measures, Validation


def train(
    model: str,
    data: Data,
    out: Path | str,
    *,
    recipe: Recipe | None = None,
    evaluation: Path | str | None = None,
    progress: Callable[[Begun | Step | Measured], object] | None = None,
    **options: Unpack[TrainOptions],
) -> Path:
    """Train a LoRA adapter on pairs or triplets of items; return its folder, `out`/adapter.

    The language model is trained, and the projector if asked; torchrun's processes share a batch.

    Args:
        model: a hub id or a folder of an image-text-to-text model, or "nano-base".
        data: one or more files of triplets (see `e5v.training.reading`), or data sets of the hub,
            "hub:ORG/NAME:SPLIT"; with weights: `{"nli.csv": 0.8, ...}`; or a list of `Triplet`.
        out: the folder of the run, new or empty: log, checkpoints, adapter.
        recipe: how to train; by default the paper's recipe, 1,000 steps of 768 triplets.
        evaluation: validation data, a file of triplets of texts, or a folder of images with
            captions.jsonl; recalls are 0 to 1.
        progress: is called with `Begun`, then with each `Step` and `Measured`.
        every: steps between checkpoints and between measurements (50); `resume` a run in `out`.
        image_memory: GiB of image tokens kept in memory (2); `image_disk`, on disk (0).
        shard: divide the frozen layers among the processes of torchrun.
        track: names of trackers: "tensorboard", "wandb", "trackio".
        model_recipe: how the model is asked, by name, as `recipe` of `E5V`.
        device: as in `E5V`, like `dtype`, `trust_remote_code` and `tiling`.

    Raises:
        DataError: the data cannot be used, or has fewer rows than a batch.
        UsageError: the folder contains another run, or the recipe does not fit the model.
        ModelError: the model cannot be opened.
        TrainingError: the loss is not finite, a step does not fit in memory, an image cannot be
            read, or a checkpoint cannot be written; the last checkpoint is kept.
    """
    run = Run.of(model, data, out, recipe or Recipe(), evaluation, **options)
    check_trackers(run.track)
    for event in track(fit(run), run.out, run.track):
        if progress is not None:
            progress(event)
    return RunFolder(Path(out)).adapter


def fit(run: Run) -> Generator[Begun | Step | Measured, None, None]:
    """Train, and yield a record of every step; under torchrun, only rank 0 yields.

    Raises:
        E5VError: as `train`.
    """
    recipe, folder = run.recipe, RunFolder(run.out)
    need("training", *EXTRAS["train"], *(["bitsandbytes"] if recipe.four_bit else []))
    data = run.read_data()
    record = run.record(data)
    with joined(run.device, shard=run.shard) as (ranks, device), ExitStack() as held:
        folder.check(record, resume=run.resume)
        check_data(data, recipe)
        source = find_model(run.model)  # refuses an adapter, which would be opened
        check_asked(data, recipe, recognise([run.model], source, run.model_recipe).recipe)
        batches = Batches(
            data, recipe.batch, recipe.seed, weights=run.weights, batching=recipe.batches
        )
        teacher = Teacher.open(file, data.count) if (file := recipe.objective.teacher) else None
        validation = _open_validation(run, device) if ranks.leads or run.shard else None
        images = held.enter_context(open_cache(run.image_memory, run.image_disk))
        with ranks.in_turn():
            trainer = Trainer(_load(run, data, device), recipe, ranks, teacher, images)
        first = trainer.restore(folder.latest())
        if ranks.leads:
            held.enter_context(folder.held())
            folder.check(record, resume=run.resume)  # it may have ended meanwhile
            folder.begin(record, first)
            yield _describe_start(data, validation, trainer, first)
        if validation and first == 0:
            yield from _measure(0, trainer, validation, ranks, folder)

        pace = Pace(recipe.steps - first)
        for step in range(first, recipe.steps):
            with step_errors(step, trainer.loaded.name, folder):
                taken = trainer.step(step, batches[step])
            check_finite(taken, folder)
            if ranks.leads:
                yield folder.append(pace.time(taken))

            if (step + 1) % run.every == 0 or step + 1 == recipe.steps:
                if validation:
                    yield from _measure(step + 1, trainer, validation, ranks, folder)
                if ranks.leads:
                    folder.save(step + 1, trainer.checkpoint())
                pace.resume()

        if ranks.leads:
            write_folder(folder.adapter, trainer.adapter())
            draw(folder.log, folder.path / "training.png")


class Trainer:
    """A model with its adapter, loss and optimiser; takes one step at a time.

    The model may be open as a whole, or without its vision tower: then batches have texts only.
    `images` keeps image tokens from step to step.

    Raises:
        UsageError: the recipe does not fit the model.
    """

    def __init__(
        self,
        loaded: Loaded,
        recipe: Recipe,
        ranks: Ranks = Ranks(),  # noqa: B008  immutable: one process
        teacher: Teacher | None = None,
        images: ImageCache | None = None,
    ) -> None:
        check_model(loaded, recipe, sharded=ranks.shards is not None)
        self.recipe = recipe
        self.loaded = loaded
        self._ranks, self._teacher = ranks, teacher
        self._config = add_adapter(loaded, recipe.adapter, recipe.seed)
        if recipe.train == "projector":
            release_projector(loaded)
            images = None  # tokens of an earlier projector
        if ranks.shards:
            shard_layers(loaded, ranks.shards)
        self.weights = trained(loaded)
        self.optimiser = make_optimiser(self.weights, trained_projector(loaded).values(), recipe)
        self.embedder = E5V(loaded)
        self.prompts = TrainingPrompts(loaded, recipe, images)
        forward = choose_pass(Encoder(loaded), recipe, images)
        width, place = self.embedder.width, self.embedder.device
        self.gradients = GradCache(forward, width, place, ranks, self.autocast)
        set_training_mode(loaded, recompute=recipe.recompute)

    def step(self, step: int, batch: Batch) -> Step:
        """Take step `step`, from 0: gradient of the batch, then update of the weights.

        Raises:
            ItemError: an image cannot be read.
        """
        prompts = self.prompts.prepare(batch.items, batch.sides)
        loss = self.accumulate([one.prompted for one in prompts], batch, step)
        return Step(
            step=step + 1,
            loss=float(loss.value),
            accuracy=float(loss.accuracy),
            lr=self.recipe.learning_rate(step),
            grad_norm=self.update(step),
            tokens=sum(len(one.prompted.ids) for one in prompts),
            cut=sum(one.cut for one in prompts),
            sources=batch.sources,
        )

    def accumulate(self, prompts: Sequence[Prompted], batch: Batch, step: int = 0) -> Loss:
        """Add the gradient of a batch's loss to the weights; `prompts` are those of its items."""
        seed = (self.recipe.seed << 32) + (step << 12)  # plus the number of the chunk
        loss_of = partial(batch_loss, batch=batch, recipe=self.recipe, teacher=self._teacher)
        return self.gradients.backward(prompts, len(batch.triplets), loss_of, seed)

    def update(self, step: int) -> float:
        """Update the weights, and forget the gradient; return its norm before clipping.

        If the norm is not finite, the weights stay as they are.
        """
        self._ranks.add_gradients(self.weights)
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights, self.recipe.clip))
        if math.isfinite(norm):
            for group in self.optimiser.param_groups:
                group["lr"] = self.recipe.learning_rate(step) * group.get("scale", 1.0)
            self.optimiser.step()
        self.optimiser.zero_grad()
        return norm

    def autocast(self) -> AbstractContextManager[object]:
        """Compute the adapter, which is kept in float32, in the model's own precision."""
        if self.embedder.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.embedder.device.type, self.embedder.dtype)

    def measure(self, validation: Validation) -> Measures:
        """Measure the model as it is on validation data."""
        with self.autocast():
            return validation.measure(self.embedder)

    def adapter(self) -> Mapping[str, bytes]:
        """Return the adapter's files."""
        return adapter_files(self.loaded, self._config)

    def checkpoint(self) -> Mapping[str, bytes]:
        """Return the files of a checkpoint: adapter and optimiser."""
        return {**self.adapter(), **optimiser_files(self.optimiser)}

    def restore(self, checkpoint: Path | None) -> int:
        """Restore a checkpoint, if there is one; return its number of steps.

        Raises:
            ModelError: it belongs to another model or recipe.
            TrainingError: one of its files is damaged or missing.
        """
        if self._ranks.shards:
            gather_once(self.loaded)
        return restore_checkpoint(checkpoint, self.loaded, self.optimiser) if checkpoint else 0


def _measure(
    step: int, trainer: Trainer, validation: Validation, ranks: Ranks, folder: RunFolder
) -> Iterator[Measured]:
    measures = trainer.measure(validation)  # on all ranks together, if they divide the layers
    if ranks.leads:
        yield folder.append(Measured(step, measures))


def _describe_start(
    data: Triplets, validation: Validation | None, trainer: Trainer, first: int
) -> Begun:
    return Begun(
        rows=len(data.rows),
        broken=data.broken,
        left_out=validation.held_out.left_out if validation else 0,
        weights=sum(weight.numel() for weight in trainer.weights),
        step=first,
        notes=data.notes,
    )


def _open_validation(run: Run, device: str | None) -> Validation | None:
    if run.evaluation is None:
        return None
    prompt = find_prompt(run.recipe.prompt)
    frozen = run.recipe.train == "language"
    how: OpenOptions = {**run.opening, "device": device}
    return Validation.open(run.evaluation, run.model, prompt, frozen=frozen, **how)


def _load(run: Run, data: Triplets, device: str | None) -> Loaded:
    """Open the language model; the vision tower only if the data have images."""
    weights: Weights = "4bit" if run.recipe.four_bit else "full"
    how: OpenOptions = {**run.opening, "device": device, "weights": weights}
    part: Part = "whole" if data.has_images else "language"
    return load(run.model, part=part, **(opening_on_host(how) if run.shard else how))
