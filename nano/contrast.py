"""The other side of the paper's Table 7: the same adapter, trained on image-text pairs.

scenes -> picture, caption, one-fact-changed caption -> the package's own student, loss, gradient
       -> adapter, as `e5v train` writes it

    python -m nano.contrast build/nano/base build/nano/image-text --steps 150 --images 1.0

`--images 0.5` mixes: half of the anchors of a batch are pictures; the other half are rows of
`--texts`, the file that the text-only side is trained on. The vision tower stays as it is, and
sees each picture once in a step: that is what such training costs.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import PIL.Image
import torch
from torch import Tensor

from e5v.inputs import RawItem
from e5v.model.embedder import E5V
from e5v.model.encoder import Prompted
from e5v.model.loading import load
from e5v.model.vision import image_tokens
from e5v.training.chunks import CPU_CHUNK, GPU_CHUNK, PackedPass
from e5v.training.gradcache import GradCache
from e5v.training.loss import Loss, contrastive, distinct
from e5v.training.ranks import joined
from e5v.training.recipe import Adapter, Objective, Recipe
from e5v.training.run_folder import write_folder
from e5v.training.student import Student
from e5v.training.triplets import Triplet, read_triplets
from nano.art import Art, load_art
from nano.captions import caption
from nano.changes import changed
from nano.layout import TILE
from nano.picture import draw
from nano.scenes import sample

TOLD_EVERY = 10  # steps


@dataclass(frozen=True)
class Side:
    """What the anchors are: the share of pictures, whether hard negatives stand by, other rows."""

    images: float
    negatives: bool
    texts: Sequence[Triplet] = ()


@dataclass(frozen=True)
class Pair:
    """An anchor, and the texts it is held against; `triplet` has the anchor's caption."""

    anchor: RawItem
    triplet: Triplet


@dataclass(frozen=True)
class Fitted:
    """What a training took, without opening the model."""

    cpu_seconds: float
    seconds: float
    tokens: int


def pair(rng: random.Random, side: Side, art: Art) -> Pair:
    """Draw one training pair: the caption is of the scene that is shown."""
    if rng.random() >= side.images:
        row = rng.choice(side.texts) if side.texts else _told(rng, side)
        return Pair({"text": row.anchor}, row)
    scene = sample(rng, "train")
    negative = caption(changed(scene, rng, "train"), rng) if side.negatives else None
    triplet = Triplet(caption(scene, rng), caption(scene, rng), negative)
    picture = draw(scene, rng, art, tile=TILE, augment=True).pixels
    return Pair(PIL.Image.fromarray(picture), triplet)


def _told(rng: random.Random, side: Side) -> Triplet:
    scene = sample(rng, "train")
    negative = caption(changed(scene, rng, "train"), rng) if side.negatives else None
    return Triplet(caption(scene, rng), caption(scene, rng), negative)


def items_of(pairs: Sequence[Pair]) -> list[RawItem]:
    """Return all that is embedded: the anchors, the positives, the negatives that are there."""
    items: list[RawItem] = [one.anchor for one in pairs]
    items += [{"text": one.triplet.positive} for one in pairs]
    items += [{"text": one.triplet.negative} for one in pairs if one.triplet.negative]
    return items


@torch.no_grad()
def prompted(embedder: E5V, items: Sequence[RawItem]) -> list[Prompted]:
    """Word items, and run the vision tower, which is frozen, over all their pictures at once."""
    worded = [embedder.prepare(item).prompted for item in items]
    shown = [one for one in worded if one.images]
    pixels = [image for one in shown for image in one.images]
    counts = [count for one in shown for count in one.counts]
    model, way = embedder.loaded.model, embedder.loaded.backbone.features
    tokens = iter(image_tokens(model, pixels, way, counts) if pixels else ())
    return [
        replace(one, images=tuple(replace(image, tokens=next(tokens)) for image in one.images))
        for one in worded
    ]


def fit(student: Student, target: Path, side: Side, art: Art) -> Fitted:
    """Train an adapter on pairs that are drawn as they are needed."""
    recipe, embedder = student.recipe, student.embedder
    symmetric = recipe.objective.symmetric
    chunk = GPU_CHUNK if embedder.device.type == "cuda" else CPU_CHUNK
    rng = random.Random(recipe.seed)
    began, cpu, tokens = time.perf_counter(), time.process_time(), 0
    with joined(str(embedder.device)) as (ranks, _):
        way = PackedPass(embedder.encoder, chunk)
        cache = GradCache(way, embedder.width, embedder.device, ranks, student.autocast)
        for step in range(recipe.steps):
            pairs = [pair(rng, side, art) for _ in range(recipe.batch)]
            texts = prompted(embedder, items_of(pairs))
            tokens += sum(len(one.ids) for one in texts)
            allowed = distinct([one.triplet for one in pairs]).to(embedder.device)

            def loss_of(states: Tensor, allowed: Tensor = allowed) -> Loss:
                anchors, candidates = states[: recipe.batch], states[recipe.batch :]
                return contrastive(anchors, candidates, allowed, symmetric=symmetric)

            seed = (recipe.seed << 32) + (step << 12)
            loss = cache.backward(texts, recipe.batch, loss_of, seed)
            student.learn(step, ranks)
            if (step + 1) % TOLD_EVERY == 0:
                print(f"{step + 1:5d}  loss {float(loss.value):.4f}", flush=True)  # noqa: T201
        write_folder(target / "adapter", student.adapter())
    return Fitted(time.process_time() - cpu, time.perf_counter() - began, tokens)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("target", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--alpha", type=int, default=32)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--symmetric", action="store_true", help="the way back is learnt, too")
    parser.add_argument("--images", type=float, default=1.0, help="share of the anchors")
    parser.add_argument("--texts", type=Path, help="the rows of the other anchors")
    parser.add_argument("--no-negatives", action="store_true")
    parser.add_argument("--art", type=Path, default=Path("build/nano"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device")
    given = parser.parse_args()
    recipe = Recipe(
        batch=given.batch,
        steps=given.steps,
        lr=given.lr,
        seed=given.seed,
        objective=Objective(symmetric=given.symmetric),
        adapter=Adapter(rank=given.rank, alpha=given.alpha, dropout=given.dropout),
    )
    texts = read_triplets([given.texts]).rows if given.texts else ()
    side = Side(given.images, negatives=not given.no_negatives, texts=texts)
    student = Student(load(given.base, device=given.device), recipe)
    fitted = fit(student, given.target, side, load_art("noto", given.art))
    (given.target / "log.jsonl").write_text(json.dumps(vars(fitted)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
