"""Trains the base model in stages, each by itself, and goes on from where it stopped.

vision     vision tower alone, which concept or colour each patch shows (stands in for CLIP)
language   language model alone, on captions, questions and real English
align      vision tower and projector under the frozen language model
assemble   all of them as a checkpoint that plain transformers opens, in FOLDER/base

    python -m nano.pretrain vision --folder build/nano --steps 6000
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor, nn
from torch.utils.data import DataLoader

from e5v.files import replace_file, replace_folder
from e5v.model.malloc import keep_freed_memory
from nano.architecture import Measures, answers, look, measured, new_model, new_processor
from nano.batches import Batches, Pictured, Plan
from nano.concepts import CONCEPTS
from nano.conversations import IGNORED, Rows
from nano.optimizer import Optimizer
from nano.scenes import BACKGROUNDS
from nano.tokenizer import load_tokenizer

UNUSED = "post_layernorm"  # of the tower's class token
PATCHED = 0.5  # weight of the patches' loss beside the answers'
SAVE_EVERY = 120  # seconds
LOG_EVERY = 25  # steps


@dataclass(frozen=True)
class Stage:
    """What a stage trains, and on what.

    `batch` makes the batch of a step, the same one for the same number. `backward` adds the
    gradient of a batch's mean loss, and returns what was measured.
    """

    parameters: dict[str, nn.Parameter]
    batch: Callable[[int], Any]
    backward: Callable[[Any], Measures]


def vision_stage(model: Any, batches: Batches) -> Stage:
    """Return stage 0: what each patch shows, by a head on the tower that only training uses."""
    head = _new_head(model)

    def backward(batch: Pictured) -> Measures:
        _, seen = look(model, batch.pictures.to(model.device), batch.shape)
        found = _classified(head, seen, batch.labels, batch.learnt)
        (found.loss / found.count).backward()  # type: ignore[no-untyped-call]
        return _summed([found])

    named = _named(model, "model.vision_tower") | dict(head.named_parameters(prefix="head"))
    return Stage(named, batches.tiles, backward)


def language_stage(model: Any, batches: Batches) -> Stage:
    """Return stage 1: the whole language model, its word embeddings included, on text alone."""

    def measure(part: Rows) -> tuple[Measures, float]:
        return answers(model, part.to(model.device)), 0.0

    named = _named(model, "model.language_model")
    return Stage(named, batches.conversations, partial(_backward, measure))


def align_stage(model: Any, batches: Batches) -> Stage:
    """Return stage 2: the same questions with a picture for X, before a frozen language model.

    What each patch shows is learnt along with them, which answers alone teach slowly.
    """
    head = _new_head(model)

    def backward(batch: Pictured) -> Measures:
        def measure(part: Rows) -> tuple[Measures, Tensor]:
            places = list(part.places)
            tokens, seen = look(model, batch.pictures[places].to(model.device), batch.shape)
            patched = _classified(head, seen, batch.labels[places], batch.learnt[places])
            share = PATCHED * len(places) / len(batch.pictures) / max(1, patched.count)
            return answers(model, part.to(model.device), tokens), share * patched.loss

        return _backward(measure, batch.parts)

    trained = ("model.vision_tower", "model.multi_modal_projector", "model.image_newline")
    named = _named(model, *trained) | dict(head.named_parameters(prefix="head"))
    return Stage(named, batches.pictured, backward)


STAGES = {"vision": vision_stage, "language": language_stage, "align": align_stage}


def _named(model: nn.Module, *parts: str) -> dict[str, nn.Parameter]:
    """Return the parameters of parts of the model that take part in training."""
    named = model.named_parameters()
    return {name: one for name, one in named if name.startswith(parts) and UNUSED not in name}


def _new_head(model: Any) -> nn.Linear:
    """Return a classifier of patches: a concept, or the background's colour."""
    width = model.config.vision_config.hidden_size
    return nn.Linear(width, len(CONCEPTS) + len(BACKGROUNDS)).to(model.device, model.dtype)


def _classified(head: nn.Linear, seen: Tensor, labels: Tensor, learnt: Tensor) -> Measures:
    """Measure the classes of those patches that are learnt."""
    learnt = learnt.to(seen.device)
    return measured(head(seen[learnt]), labels.to(seen.device)[learnt])


def _backward(
    measure: Callable[[Rows], tuple[Measures, Tensor | float]], parts: Sequence[Rows]
) -> Measures:
    """Add the gradient of the answers' mean loss, and of what is beside it, part by part."""
    learnt = sum(int((part.labels != IGNORED).sum()) for part in parts)
    found = []
    for part in parts:
        one, beside = measure(part)
        (one.loss / learnt + beside).backward()  # type: ignore[no-untyped-call]
        found.append(one)
    return _summed(found)


def _summed(found: Sequence[Measures]) -> Measures:
    loss = torch.stack([one.loss.detach() for one in found]).sum()
    return Measures(loss, sum(one.right for one in found), sum(one.count for one in found))


def run(stage: Stage, plan: Plan, file: Path) -> None:
    """Train to the last step; go on from the file if there is one."""
    optimizer = Optimizer(stage.parameters, plan)
    step = 0
    if file.exists():
        saved = torch.load(file, map_location="cpu", weights_only=True)
        optimizer.restore(saved)
        step = saved["step"]
    load: Any = DataLoader
    loader = load(
        range(step, plan.steps),
        batch_size=None,
        collate_fn=stage.batch,
        num_workers=plan.workers,
        prefetch_factor=4 if plan.workers else None,
    )
    saved_at = logged_at = time.monotonic()
    found: list[Measures] = []
    for batch in loader:
        found.append(stage.backward(batch))
        optimizer.step(step)
        step += 1
        now = time.monotonic()
        if step % LOG_EVERY == 0:
            one, rate = _summed(found), LOG_EVERY * plan.batch / (now - logged_at)
            loss, right = float(one.loss) / one.count, one.right / one.count
            print(f"{step:6d}  loss {loss:.4f}  right {right:.4f}  {rate:.1f}/s", flush=True)  # noqa: T201
            found, logged_at = [], now
        if now - saved_at > SAVE_EVERY or step == plan.steps:
            # A file that appears when it is whole: a killed run leaves the older one.
            with replace_file(file) as part, part.open("wb") as out:
                torch.save({"step": step, **optimizer.state()}, out)
            saved_at = now


def load_weights(model: Any, file: Path) -> None:
    """Copy the master weights of a stage into the model."""
    masters = torch.load(file, map_location="cpu", weights_only=True)["masters"]
    state = model.state_dict()
    for name, master in masters.items():
        if not name.startswith("head."):
            state[name].copy_(master)


def assemble(folder: Path, size: str) -> None:
    """Write FOLDER/base from the stages that are there; `align` has the last word on vision."""
    tokenizer = load_tokenizer(folder / "tokenizer")
    model = new_model(size, tokenizer, seed=0).to(torch.bfloat16)
    for stage in ("language", "vision", "align"):
        if (folder / f"{stage}.pt").exists():
            load_weights(model, folder / f"{stage}.pt")
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    with replace_folder(folder / "base") as part:
        model.save_pretrained(part)
        new_processor(tokenizer).save_pretrained(part)


def pretrain(plan: Plan) -> None:
    """Run what the command line asks for."""
    if plan.stage == "assemble":
        assemble(plan.folder, plan.size)
        return
    keep_freed_memory()
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(plan.folder / "tokenizer")
    model = new_model(plan.size, tokenizer, seed=plan.seed)
    model.to(torch.device(plan.device), torch.bfloat16)
    model.set_attn_implementation("eager" if plan.device == "cpu" else "sdpa")
    if plan.stage == "align":
        for before in ("vision", "language"):
            load_weights(model, plan.folder / f"{before}.pt")
    model.requires_grad_(requires_grad=False)
    stage = STAGES[plan.stage](model, Batches(tokenizer, plan))
    for parameter in stage.parameters.values():
        parameter.requires_grad = True
    run(stage, plan, plan.folder / f"{plan.stage}.pt")


if __name__ == "__main__":
    pretrain(tyro.cli(Plan, description=__doc__))
