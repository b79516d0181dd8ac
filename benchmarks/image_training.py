"""What a picture costs in training, by the tokens that it takes: here, and at the paper's size.

a model of nano's shape, pictures of more and more tiles -> one step each -> CPU seconds, operations
LLaVA-NeXT-8B's shape, its tokens                        -> benchmarks.flops -> operations

    python -m benchmarks.image_training --tokenizer build/nano/tokenizer

A step goes forward once and back once, over the same captions in all cases: anchor, positive and
hard negative, or a picture in the anchor's place. The vision tower is frozen: it only goes forward.
The result is one of those that docs/miniature.md is written from.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.flops import own_flops, vision_flops
from benchmarks.machine import ROOT, describe_machine, describe_versions
from benchmarks.result import say, write_down
from benchmarks.sizes import SIZES as SHAPES
from benchmarks.training_flops import adapter_flops
from e5v.model.loading import load, quiet
from e5v.training.loss import batch_loss
from e5v.training.recipe import Adapter, Recipe
from e5v.training.sampler import Batch
from e5v.training.trainer import Trainer
from e5v.training.triplets import Triplet
from nano.architecture import new_model, new_processor
from nano.picture import TILE
from nano.tokenizer import load_tokenizer
from nano.triplets import triplets

FILE = ROOT / "nano" / "results" / "cost.json"
GRIDS = (1, 2, 3, 4)  # tiles along a side; the whole picture is one more tile
REPEATS = 2
RANK = 16
TEXT_TOKENS = 1_000  # captions are shorter, so none is cut
PAPERS = "llava-next-8b"
PAPERS_RANK = 64
PAPERS_SENTENCE = 11  # tokens: the mean of SNLI triplets under LLaMA-3's tokenizer
PAPERS_ASKED = 20  # tokens of turn and question around a text or an image
PAPERS_IMAGES = ((1, 576), (5, 2340), (5, 2880))  # tiles and tokens; a photo of 640 x 480 is 2,340
PAPERS_HOURS = (1.5, 34.9)  # Table 7, on 32 V100: text-only, image-text
Record = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One step over a batch: what it took, and its prompts' tokens."""

    cpu_seconds: float
    flops: int
    tokens: int


def make_trainer(tokenizer: Any, size: str, folder: Path) -> Trainer:
    """Return a trainer of a model of random weights that takes pictures of every grid."""
    pinpoints = [[side * TILE, side * TILE] for side in GRIDS]
    model, processor = new_model(size, tokenizer, seed=0), new_processor(tokenizer)
    model.config.image_grid_pinpoints = pinpoints
    processor.image_processor.image_grid_pinpoints = pinpoints
    with quiet():
        model.save_pretrained(folder)
    processor.save_pretrained(folder)
    adapter = Adapter(rank=RANK)
    recipe = Recipe(batch=2, steps=1, warmup=0, text_tokens=TEXT_TOKENS, adapter=adapter)
    return Trainer(load(folder, device="cpu"), recipe)


def measure(trainer: Trainer, batch: int) -> Record:
    """Measure a step on captions alone, and one for each number of tiles."""
    rows = [
        Triplet(one.anchor, one.positive, (one.negative,))
        for one in islice(triplets(1, composed=0.0), batch)
    ]
    measure_step(trainer, rows)  # once for nothing: the first step opens what later ones use
    text = measure_step(trainer, rows)
    found = []
    for side in GRIDS:
        one = measure_step(trainer, list(_replace_anchors(rows, side)))
        found.append(
            {
                "tiles": side**2 + 1,
                "image_tokens": count_image_tokens(trainer, side),
                **asdict(one),
                "saved_cpu": saved(text.cpu_seconds, one.cpu_seconds),
                "saved_flops": saved(text.flops, one.flops),
            }
        )
    return {"batch": batch, "text": asdict(text), "images": found}


def _replace_anchors(rows: Sequence[Triplet], side: int) -> Iterator[Triplet]:
    noise = np.random.default_rng(0)
    for row in rows:
        pixels = noise.integers(0, 255, (side * TILE, side * TILE, 3), np.uint8)
        yield replace(row, anchor=Image.fromarray(pixels))


def count_image_tokens(trainer: Trainer, side: int) -> int:
    """Return the places that a picture of so many tiles along a side takes."""
    picture = Image.new("RGB", (side * TILE, side * TILE))
    return sum(trainer.embedder.prepare(picture).prompted.counts)


def measure_step(trainer: Trainer, rows: Sequence[Triplet]) -> Step:
    """Make a step a few times, the best of which counts, and once more to count operations."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        tokens = take_step(trainer, rows)
        seconds.append(time.process_time() - start)
    with FlopCounterMode(display=False) as counter:
        take_step(trainer, rows)
    return Step(round(min(seconds), 3), counter.get_total_flops(), tokens)


def take_step(trainer: Trainer, rows: Sequence[Triplet]) -> int:
    """Go forward and back over a batch, and return its tokens; the weights stay as they are."""
    batch, way = Batch(tuple(rows), ()), trainer.gradients.forward
    prompts = [one.prompted for one in trainer.prompts.prepare(batch.items)]
    inputs = way.add_image_tokens(prompts, {})
    with trainer.autocast(), way.states(inputs) as states:
        batch_loss(states.float(), batch, trainer.recipe).value.backward()  # type: ignore[no-untyped-call]
    trainer.optimiser.zero_grad()
    return sum(len(one.ids) for one in prompts)


def count_papers() -> Record:
    """Count the same at the paper's size, where nothing of ours can be run."""
    text = 3 * _learnt(PAPERS_ASKED + PAPERS_SENTENCE)
    found = []
    for tiles, tokens in PAPERS_IMAGES:
        image = _learnt(PAPERS_ASKED + tokens) + vision_flops(SHAPES[PAPERS], tiles)
        beside = image + 2 * _learnt(PAPERS_ASKED + PAPERS_SENTENCE)
        bare = image + _learnt(PAPERS_ASKED + PAPERS_SENTENCE)
        found.append(
            {
                "tiles": tiles,
                "image_tokens": tokens,
                "flops": beside,
                "saved_flops": saved(text, beside),
                "saved_flops_without_negatives": saved(text, bare),
            }
        )
    return {
        "text_tokens": PAPERS_ASKED + PAPERS_SENTENCE,
        "text": {"flops": text},
        "images": found,
        "paper_saved_hours": saved(*PAPERS_HOURS),
    }


def _learnt(tokens: int) -> int:
    """Count a prompt forward and back through the language model, with its adapter."""
    shape = SHAPES[PAPERS]
    return 2 * own_flops(shape, tokens) + 3 * adapter_flops(shape, tokens, 1, PAPERS_RANK)


def saved(text: float, image: float) -> float:
    """Return what text-only training saves, in percent."""
    return round(100 * (1 - text / image), 1)


def main(
    tokenizer: Path = Path("build/nano/tokenizer"),
    size: Literal["nano", "tiny"] = "nano",
    batch: int = 16,
    out: Path = FILE,
) -> None:
    """Measure, count and write."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        ours = measure(make_trainer(load_tokenizer(tokenizer), size, Path(folder)), batch)
    machine, versions = asdict(describe_machine()), describe_versions()
    found = {"nano": ours, PAPERS: count_papers(), "machine": machine, "versions": versions}
    write_down(out, {"size": size, **found})
    say(f"wrote {out}")


if __name__ == "__main__":
    tyro.cli(main)
