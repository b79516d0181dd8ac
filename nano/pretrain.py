"""Make the base model: each stage by itself, from where it stopped.

vision     tower alone, which concept or colour each patch shows (stands in for CLIP)
language   language model alone, on captions, questions and English
align      vision tower and projector under the frozen language model

python -m nano.pretrain vision --folder build/nano --steps 6000
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from e5v.files import replace_file
from e5v.model.malloc import keep_freed
from nano.architecture import SIZES, new_model
from nano.concepts import CONCEPTS
from nano.descent import Descent, Pace
from nano.lessons import Lessons, Pictured, Plan, Seen
from nano.scenes import BACKGROUNDS
from nano.tokenizer import load_tokenizer
from nano.towers import Measures, answers, look, measured, normalised, patches
from nano.turns import NOTHING, Part

GROUND = 0.2  # share of the background's patches that are learnt: most patches are background
PATCHED = 0.5  # weight of what each patch shows, beside the answers
SAVE_EVERY = 120  # seconds
TOLD_EVERY = 25  # steps


class Stage(Protocol):
    """What a stage trains, and on what."""

    parameters: dict[str, nn.Parameter]

    def batch(self, number: int) -> Any:
        """Make the batch of a step; the same one for the same number."""

    def backward(self, batch: Any) -> Measures:
        """Add the gradient of a batch's mean loss; return what was measured."""


class Vision:
    """Stage 0: what each patch shows."""

    def __init__(self, model: Any, lessons: Lessons, size: int) -> None:
        """Put a head on the tower; it is left behind with the stage."""
        self._tower, self._lessons, self._size = model, lessons, size
        self._head = _new_head(model)
        named = dict(model.model.vision_tower.named_parameters(prefix="model.vision_tower"))
        named = {name: one for name, one in named.items() if "post_layernorm" not in name}
        self.parameters = named | dict(self._head.named_parameters(prefix="head"))

    def batch(self, number: int) -> Seen:
        """Return tiles and their labels."""
        return self._lessons.tiles(number, self._size)

    def backward(self, batch: Seen) -> Measures:
        """Add the gradient of the cross-entropy over the patches."""
        tiles = normalised(batch.pictures.to(self._tower.device), self._tower.dtype)
        found = _recognised(self._head, patches(self._tower, tiles), batch.labels.to(tiles.device))
        (found.loss / found.count).backward()  # type: ignore[no-untyped-call]
        return _detached(found)


class Language:
    """Stage 1: the language model on text alone."""

    def __init__(self, model: Any, lessons: Lessons, size: int) -> None:
        """Train the whole language model, its table of words included."""
        self._model, self._lessons, self._size = model, lessons, size
        prefix = "model.language_model"
        self.parameters = dict(model.model.language_model.named_parameters(prefix=prefix))

    def batch(self, number: int) -> list[Part]:
        """Return talks about captions and sentences."""
        return self._lessons.talks(number, self._size)

    def backward(self, batch: list[Part]) -> Measures:
        """Add the gradient of the answers' loss."""

        def measure(part: Part) -> tuple[Measures, float]:
            return answers(self._model, part.rows.to(self._model.device)), 0.0

        return _descended(batch, measure)


class Align:
    """Stage 2: the same questions with a picture for X; the language model stays as it is.

    What each patch shows is learnt along with them, which answers alone teach slowly.
    """

    def __init__(self, model: Any, lessons: Lessons, size: int) -> None:
        """Train the vision tower, the projector and the newline."""
        self._model, self._lessons, self._size = model, lessons, size
        self.parameters = {
            name: one
            for name, one in model.named_parameters()
            if "language_model" not in name and "post_layernorm" not in name
        }
        self.parameters.pop("lm_head.weight", None)
        self._head = _new_head(model)
        self.parameters |= dict(self._head.named_parameters(prefix="head"))

    def batch(self, number: int) -> Pictured:
        """Return pictures of one shape and talks about them."""
        return self._lessons.pictured(number, self._size)

    def backward(self, batch: Pictured) -> Measures:
        """Add the gradient of the answers' loss, and of the patches'."""
        device = self._model.device

        def measure(part: Part) -> tuple[Measures, Tensor]:
            places = list(part.places)
            seen = look(self._model, batch.pictures[places].to(device), batch.shape)
            patched = _recognised(self._head, seen.patches, batch.labels[places].to(device))
            share = PATCHED * len(places) / len(batch.pictures) / max(1, patched.count)
            return answers(self._model, part.rows.to(device), seen.tokens), share * patched.loss

        return _descended(batch.parts, measure)


def _new_head(model: Any) -> nn.Linear:
    """Return what tells a concept, or a background's colour, from a patch of the tower."""
    width = model.config.vision_config.hidden_size
    head = nn.Linear(width, len(CONCEPTS) + len(BACKGROUNDS))
    return head.to(model.device, model.dtype)


def _recognised(head: nn.Linear, seen: Tensor, labels: Tensor) -> Measures:
    """Measure what patches (..., d) show; some of the background's, and all else with a label."""
    ground = torch.rand(labels.shape, device=labels.device) < GROUND
    kept = (labels >= 0) & ((labels < len(CONCEPTS)) | ground)
    return measured(head(seen[kept]), labels[kept])


def _descended(
    parts: list[Part], measure: Callable[[Part], tuple[Measures, Tensor | float]]
) -> Measures:
    """Add the gradient of the answers' mean loss, and of what is beside it, a part at a time."""
    learnt = sum(int((part.rows.labels != NOTHING).sum()) for part in parts)
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


STAGES: dict[str, Callable[[Any, Lessons, int], Stage]] = {
    "vision": Vision,
    "language": Language,
    "align": Align,
}


class _Stream(IterableDataset[Any]):
    """Batches by number, dealt out over the loader's workers."""

    def __init__(self, stage: Stage, first: int, last: int) -> None:
        self._stage, self._first, self._last = stage, first, last

    def __iter__(self) -> Iterator[Any]:
        worker = torch.utils.data.get_worker_info()
        start, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        for number in range(self._first + start, self._last, stride):
            yield self._stage.batch(number)


def save(file: Path, content: dict[str, Any]) -> None:
    """Write a file that appears when it is whole: a killed run leaves the older one."""
    with replace_file(file) as part, part.open("wb") as out:
        torch.save(content, out)


def load_weights(model: Any, file: Path) -> None:
    """Put the masters a stage has left into the model."""
    masters = torch.load(file, map_location="cpu", weights_only=True)["masters"]
    state = model.state_dict()
    with torch.no_grad():
        for name, master in masters.items():
            if not name.startswith("head."):
                state[name].copy_(master)


def run(stage: Stage, pace: Pace, file: Path, *, workers: int, until: float) -> None:
    """Train to the last step, or to the clock; go on from the file if there is one."""
    descent = Descent(stage.parameters, pace)
    step = 0
    if file.exists():
        saved = torch.load(file, map_location="cpu", weights_only=True)
        descent.restore(saved)
        step = saved["step"]
    stream = _Stream(stage, step, pace.steps)
    loader = DataLoader(
        stream, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None
    )
    saved_at = told_at = time.monotonic()
    found: list[Measures] = []
    for batch in loader:
        found.append(stage.backward(batch))
        descent.step(step)
        step += 1
        now = time.monotonic()
        if step % TOLD_EVERY == 0:
            _tell(step, _summed(found), TOLD_EVERY * pace.batch / (now - told_at))
            found, told_at = [], now
        if now - saved_at > SAVE_EVERY or step == pace.steps or now > until:
            save(file, {"step": step, **descent.state()})
            saved_at = now
        if now > until:
            break


def _tell(step: int, one: Measures, rate: float) -> None:
    loss, right = float(one.loss) / one.count, one.right / one.count
    print(f"{step:6d}  loss {loss:.4f}  right {right:.4f}  {rate:.1f}/s", flush=True)  # noqa: T201


def main() -> None:
    """Read the command line and run one stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--folder", type=Path, default=Path("build/nano"))
    parser.add_argument("--size", choices=SIZES, default="nano")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--part", type=int, default=16, help="samples run at once")
    parser.add_argument("--matrix-rate", type=float, default=2.5e-3)
    parser.add_argument("--other-rate", type=float, default=2e-3)
    parser.add_argument("--letters", type=float, default=0.0, help="share of captions as pictures")
    parser.add_argument("--english", type=Path, nargs="*", default=[])
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    keep_freed()
    torch.set_num_threads(given.threads)
    tokenizer = load_tokenizer(given.folder / "tokenizer")
    model = new_model(SIZES[given.size], tokenizer, seed=given.seed)
    model.to(torch.device(given.device), torch.bfloat16)
    model.set_attn_implementation("eager" if given.device == "cpu" else "sdpa")
    if given.stage == "align":
        for before in ("vision", "language"):
            load_weights(model, given.folder / f"{before}.pt")
    pace = Pace(given.steps, given.batch, given.matrix_rate, given.other_rate)
    plan = Plan(given.steps, given.part, given.seed, given.letters)
    lessons = Lessons(tokenizer, given.folder, given.english, plan)
    model.requires_grad_(requires_grad=False)
    stage = STAGES[given.stage](model, lessons, given.batch)
    for parameter in stage.parameters.values():
        parameter.requires_grad = True
    until = time.monotonic() + 60 * given.minutes
    run(stage, pace, given.folder / f"{given.stage}.pt", workers=given.workers, until=until)


if __name__ == "__main__":
    main()
