"""What the packed layout gives the model for photographs, on one core: in use and in training.

    python -m benchmarks.photos

photos-base, opened once -> its own record (packed) | the generic one (the model's own forward pass)
                         -> CPU seconds of a photo, of a text, of a training step
                         -> results/photos-cpu.json

Both take turns, and the best of some rounds counts. The photos are those of examples/, decoded
before the clock starts; the triplets are those of examples/nli.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import tyro
from PIL import Image

from benchmarks.machine import describe_machine, describe_versions
from benchmarks.result import say, write_down
from e5v import E5V
from e5v.model.backbones import GENERIC, Backbone
from e5v.model.image_inputs import Pixels
from e5v.model.loading import Loaded, load
from e5v.model.vision import image_tokens
from e5v.training.reading import read_triplets
from e5v.training.recipe import Adapter, Recipe
from e5v.training.sampler import Batches
from e5v.training.trainer import Trainer

EXAMPLES = Path("examples")
TOKENS = 9  # of a photo
NOTES = (
    "CPU seconds of one thread, images decoded before; the best of some rounds that alternate",
    "a step is forward and backward pass and update, for the same triplets",
    "tower_share is the vision tower's part of a photo, packed",
)


@dataclass(frozen=True)
class Settings:
    """Measure the packed layout of photos-base against the model's own forward pass.

    Args:
        model: a name or folder; photos-base has to be assembled.
        photos: number of photos.
        triplets: of a training step.
        rounds: how often each is measured.
        out: where the result is written, as JSON.

    """

    model: str = "photos-base"
    photos: int = 52
    triplets: int = 32
    rounds: int = 3
    out: Path = Path("benchmarks/results/photos-cpu.json")


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a photo, of a text and of a step."""

    photo: float
    text: float
    step: float


def _open(settings: Settings, backbone: Backbone | None) -> Loaded:
    loaded = load(settings.model, device="cpu", dtype="bfloat16")
    return replace(loaded, backbone=backbone or loaded.backbone)


def _make_work(settings: Settings, loaded: Loaded) -> dict[str, Callable[[], object]]:
    """Return what is timed: all photos, twice as many texts, one step."""
    files = sorted((EXAMPLES / "photos" / "images").glob("*.jpg"))[: settings.photos]
    photos = [Image.open(file).convert("RGB") for file in files]
    data = read_triplets([EXAMPLES / "nli" / "train.csv"])
    texts = [str(one.anchor) for one in data.rows[: 2 * settings.photos]]
    recipe = Recipe(
        batch=settings.triplets,
        steps=1000,
        chunk_tokens=8192,
        adapter=Adapter(rank=16, alpha=32, dropout=0.0),
    )
    model = E5V(loaded)
    batch = Batches(data, settings.triplets, 0)[0]
    trainers: list[Trainer] = []

    def step() -> None:
        if not trainers:  # after the model was used without an adapter
            trainers.append(Trainer(loaded, recipe))
        trainers[0].step(0, batch)

    return {
        "photo": lambda: model.encode(photos),
        "text": lambda: model.encode(texts),
        "step": step,
    }


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def measure(settings: Settings) -> dict[str, Cost]:
    """Time both layouts, by turns."""
    layouts = {"packed": _open(settings, None), "whole": _open(settings, GENERIC)}
    works = {name: _make_work(settings, loaded) for name, loaded in layouts.items()}
    sizes = {"photo": settings.photos, "text": 2 * settings.photos, "step": 1}
    best: dict[str, dict[str, float]] = {name: {} for name in works}
    for kind, size in sizes.items():
        for round_ in range(settings.rounds + 1):  # the first warms up
            for name, work in works.items():
                spent = _seconds(work[kind]) / size
                if round_:
                    best[name][kind] = min(spent, best[name].get(kind, spent))
    return {name: Cost(**values) for name, values in best.items()}


def measure_tower(settings: Settings) -> float:
    """Return the CPU seconds of a photo that the vision tower takes."""
    loaded = _open(settings, None)
    photos = [Pixels({"pixel_values": torch.randn(1, 3, 224, 224)}, "")] * settings.photos
    counts = [TOKENS] * settings.photos
    with torch.inference_mode():
        times = [
            _seconds(lambda: image_tokens(loaded.model, photos, loaded.backbone.features, counts))
            for _ in range(settings.rounds + 1)
        ]
    return min(times[1:]) / settings.photos


def main() -> None:
    """Measure, show and write."""
    settings = tyro.cli(Settings)
    torch.set_num_threads(1)
    costs, tower = measure(settings), measure_tower(settings)
    packed, whole = costs["packed"], costs["whole"]
    ratios = {
        kind: round(getattr(whole, kind) / getattr(packed, kind), 2) for kind in asdict(packed)
    }
    report = {
        "what": "CPU seconds with the packed layout and with the model's own forward pass",
        "notes": NOTES,
        "settings": {**asdict(settings), "out": str(settings.out), "threads": 1},
        "costs": {name: asdict(cost) for name, cost in costs.items()},
        "whole_over_packed": ratios,
        "tower_share": round(tower / packed.photo, 2),
        "machine": asdict(describe_machine()),
        "versions": describe_versions(),
    }
    write_down(settings.out, report)
    say(f"whole / packed: {ratios}; a photo takes {packed.photo:.3f} CPU s, the tower {tower:.3f}")


if __name__ == "__main__":
    main()
