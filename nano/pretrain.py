"""Trains the base model in stages, each by itself, and goes on from where it stopped.

vision     vision tower alone, which concept or colour each patch shows (stands in for CLIP)
language   language model alone, on captions, questions and real English
align      vision tower and projector under the frozen language model
assemble   all of them as a checkpoint that plain transformers opens, in FOLDER/base

    python -m nano.pretrain vision --folder build/nano --steps 6000
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
import tyro
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset
from tyro.conf import Positional

from e5v.files import replace_file
from e5v.model.malloc import keep_freed_memory
from nano.architecture import SIZES, new_model, new_processor
from nano.batches import Batches, Pictured, Plan, Tiles
from nano.concepts import CONCEPTS
from nano.conversations import IGNORED, MicroBatch
from nano.optimizer import Optimizer, Schedule
from nano.scenes import BACKGROUNDS
from nano.tokenizer import load_tokenizer
from nano.towers import Measures, answers, look, measured, normalised, patches

GROUND = 0.2  # share of the background's patches that are learnt: most patches are background
PATCHED = 0.5  # weight of the patches' loss beside the answers'
SAVE_EVERY = 120  # seconds
LOG_EVERY = 25  # steps


class Stage(Protocol):
    """What a stage trains, and on what."""

    parameters: dict[str, nn.Parameter]

    def batch(self, number: int) -> Any:
        """Make the batch of a step; the same one for the same number."""

    def backward(self, batch: Any) -> Measures:
        """Add the gradient of a batch's mean loss; return what was measured."""


class Vision:
    """Stage 0: what each patch shows."""

    def __init__(self, model: Any, batches: Batches, size: int) -> None:
        """Put a head on the tower, which only this stage uses."""
        self._tower, self._batches, self._size = model, batches, size
        self._head = _new_head(model)
        named = dict(model.model.vision_tower.named_parameters(prefix="model.vision_tower"))
        named = {name: one for name, one in named.items() if "post_layernorm" not in name}
        self.parameters = named | dict(self._head.named_parameters(prefix="head"))

    def batch(self, number: int) -> Tiles:
        """Return tiles and their labels."""
        return self._batches.tiles(number, self._size)

    def backward(self, batch: Tiles) -> Measures:
        """Add the gradient of the cross-entropy over the patches."""
        tiles = normalised(batch.pictures.to(self._tower.device), self._tower.dtype)
        found = _classified(self._head, patches(self._tower, tiles), batch.labels.to(tiles.device))
        (found.loss / found.count).backward()  # type: ignore[no-untyped-call]
        return _detached(found)


class Language:
    """Stage 1: the language model on text alone."""

    def __init__(self, model: Any, batches: Batches, size: int) -> None:
        """Train the whole language model, its word embeddings included."""
        self._model, self._batches, self._size = model, batches, size
        prefix = "model.language_model"
        self.parameters = dict(model.model.language_model.named_parameters(prefix=prefix))

    def batch(self, number: int) -> list[MicroBatch]:
        """Return conversations about captions and sentences."""
        return self._batches.conversations(number, self._size)

    def backward(self, batch: list[MicroBatch]) -> Measures:
        """Add the gradient of the answers' loss."""

        def measure(part: MicroBatch) -> tuple[Measures, float]:
            return answers(self._model, part.rows.to(self._model.device)), 0.0

        return _backward(batch, measure)


class Align:
    """Stage 2: the same questions with a picture for X; the language model stays as it is.

    What each patch shows is learnt along with them, which answers alone teach slowly.
    """

    def __init__(self, model: Any, batches: Batches, size: int) -> None:
        """Train the vision tower, the projector and the newline."""
        self._model, self._batches, self._size = model, batches, size
        self.parameters = {
            name: one
            for name, one in model.named_parameters()
            if not any(part in name for part in ("language_model", "post_layernorm", "lm_head"))
        }
        self._head = _new_head(model)
        self.parameters |= dict(self._head.named_parameters(prefix="head"))

    def batch(self, number: int) -> Pictured:
        """Return pictures of one shape and conversations about them."""
        return self._batches.pictured(number, self._size)

    def backward(self, batch: Pictured) -> Measures:
        """Add the gradient of the answers' loss, and of the patches'."""
        device = self._model.device

        def measure(part: MicroBatch) -> tuple[Measures, Tensor]:
            places = list(part.places)
            seen = look(self._model, batch.pictures[places].to(device), batch.shape)
            patched = _classified(self._head, seen.patches, batch.labels[places].to(device))
            share = PATCHED * len(places) / len(batch.pictures) / max(1, patched.count)
            return answers(self._model, part.rows.to(device), seen.tokens), share * patched.loss

        return _backward(batch.parts, measure)


def _new_head(model: Any) -> nn.Linear:
    """Return a classifier of patches: a concept, or the background's colour."""
    width = model.config.vision_config.hidden_size
    return nn.Linear(width, len(CONCEPTS) + len(BACKGROUNDS)).to(model.device, model.dtype)


def _classified(head: nn.Linear, seen: Tensor, labels: Tensor) -> Measures:
    """Measure the classes of patches (..., d): all concepts, and some of the background."""
    ground = torch.rand(labels.shape, device=labels.device) < GROUND
    kept = (labels >= 0) & ((labels < len(CONCEPTS)) | ground)
    return measured(head(seen[kept]), labels[kept])


def _backward(
    parts: list[MicroBatch], measure: Callable[[MicroBatch], tuple[Measures, Tensor | float]]
) -> Measures:
    """Add the gradient of the answers' mean loss, and of what is beside it, part by part."""
    learnt = sum(int((part.rows.labels != IGNORED).sum()) for part in parts)
    found = []
    for part in parts:
        one, beside = measure(part)
        (one.loss / learnt + beside).backward()  # type: ignore[no-untyped-call]
        found.append(_detached(one))
    return _summed(found)


def _detached(one: Measures) -> Measures:
    return Measures(one.loss.detach(), one.right, one.count)


def _summed(found: Sequence[Measures]) -> Measures:
    loss = torch.stack([one.loss for one in found]).sum()
    return Measures(loss, sum(one.right for one in found), sum(one.count for one in found))


class _Stream(IterableDataset[Any]):
    """Batches by number, dealt out over the loader's workers."""

    def __init__(self, stage: Stage, first: int, last: int) -> None:
        self._stage, self._first, self._last = stage, first, last

    def __iter__(self) -> Iterator[Any]:
        worker = torch.utils.data.get_worker_info()
        start, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        for number in range(self._first + start, self._last, stride):
            yield self._stage.batch(number)


def run(stage: Stage, schedule: Schedule, file: Path, *, workers: int = 0) -> None:
    """Train to the last step; go on from the file if there is one."""
    optimizer = Optimizer(stage.parameters, schedule)
    step = 0
    if file.exists():
        saved = torch.load(file, map_location="cpu", weights_only=True)
        optimizer.restore(saved)
        step = saved["step"]
    stream = _Stream(stage, step, schedule.steps)
    ahead = 4 if workers else None
    saved_at = logged_at = time.monotonic()
    found: list[Measures] = []
    for batch in DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=ahead):
        found.append(stage.backward(batch))
        optimizer.step(step)
        step += 1
        now = time.monotonic()
        if step % LOG_EVERY == 0:
            _log(step, _summed(found), LOG_EVERY * schedule.batch / (now - logged_at))
            found, logged_at = [], now
        if now - saved_at > SAVE_EVERY or step == schedule.steps:
            # A file that appears when it is whole: a killed run leaves the older one.
            with replace_file(file) as part, part.open("wb") as out:
                torch.save({"step": step, **optimizer.state()}, out)
            saved_at = now


def _log(step: int, one: Measures, rate: float) -> None:
    loss, right = float(one.loss) / one.count, one.right / one.count
    print(f"{step:6d}  loss {loss:.4f}  right {right:.4f}  {rate:.1f}/s", flush=True)  # noqa: T201


def load_weights(model: Any, file: Path) -> None:
    """Copy the master weights of a stage into the model."""
    masters = torch.load(file, map_location="cpu", weights_only=True)["masters"]
    state = model.state_dict()
    with torch.no_grad():
        for name, master in masters.items():
            if not name.startswith("head."):
                state[name].copy_(master)


def assemble(folder: Path, size: str) -> None:
    """Write FOLDER/base from the stages that are there; `align` has the last word on vision."""
    tokenizer = load_tokenizer(folder / "tokenizer")
    model = new_model(SIZES[size], tokenizer, seed=0).to(torch.bfloat16)
    for stage in ("language", "vision", "align"):
        if (folder / f"{stage}.pt").exists():
            load_weights(model, folder / f"{stage}.pt")
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    beside = folder / "base.partial"
    model.save_pretrained(beside)
    new_processor(tokenizer).save_pretrained(beside)
    shutil.rmtree(folder / "base", ignore_errors=True)
    beside.rename(folder / "base")


STAGES: dict[str, Callable[[Any, Batches, int], Stage]] = {
    "vision": Vision,
    "language": Language,
    "align": Align,
}


@dataclass(frozen=True)
class Pretrain:
    """Make one stage of the base model, or assemble it."""

    stage: Positional[Literal["vision", "language", "align", "assemble"]]
    folder: Path = Path("build/nano")
    """Where the drawings and the tokenizer are, and stages are kept."""
    size: Literal["nano", "tiny"] = "nano"
    steps: int = 0
    batch: int = 64
    micro_batch: int = 16
    """Samples that are run at once."""
    matrix_rate: float = 2.5e-3
    other_rate: float = 2e-3
    letters: float = 0.0
    """Share of the align stage's batches that are captions as pictures."""
    english: tuple[Path, ...] = ()
    """Files of real sentences."""
    workers: int = 0
    device: str = "cpu"
    seed: int = 0


def pretrain(given: Pretrain) -> None:
    """Run what the command line asks for."""
    if given.stage == "assemble":
        assemble(given.folder, given.size)
        return
    keep_freed_memory()
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(given.folder / "tokenizer")
    model = new_model(SIZES[given.size], tokenizer, seed=given.seed)
    model.to(torch.device(given.device), torch.bfloat16)
    model.set_attn_implementation("eager" if given.device == "cpu" else "sdpa")
    if given.stage == "align":
        for before in ("vision", "language"):
            load_weights(model, given.folder / f"{before}.pt")
    plan = Plan(given.steps, given.micro_batch, given.seed, given.letters)
    batches = Batches(tokenizer, given.folder, given.english, plan)
    model.requires_grad_(requires_grad=False)
    stage = STAGES[given.stage](model, batches, given.batch)
    for parameter in stage.parameters.values():
        parameter.requires_grad = True
    schedule = Schedule(given.steps, given.batch, given.matrix_rate, given.other_rate)
    run(stage, schedule, given.folder / f"{given.stage}.pt", workers=given.workers)


if __name__ == "__main__":
    pretrain(tyro.cli(Pretrain, description=__doc__))
