"""What a photo costs against the most tokens that it may take, and what the fewer tokens lose.

    python -m benchmarks.image_budget

three families, small random weights -> a photo of 640 x 480, by budget -> tokens, CPU seconds
nano, by budget                      -> examples/scenes                 -> tokens, recall
                                     -> results/image-budget.json

Budgets of a family take turns, and the best of some rounds counts. Ratios are to no budget.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import tyro
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.families import FAMILIES, write_family
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.result import publish, say
from benchmarks.sizes import SIZES
from benchmarks.weights import find_figures
from benchmarks.work import read_sentences
from e5v import E5V

EXAMPLES = Path("examples")
SIZE = (640, 480)  # pixels
NOTES = (
    "CPU seconds of one thread for one photo, image processing and both towers; the best of some "
    "rounds that alternate; ratio to the same model without a budget",
    "tokens are the image's own, prompt the whole prompt with them",
    "random weights: the cost depends on shapes alone; no recall can be had of them",
    "recall in percent on examples/scenes; its images are 180 x 180, 180 x 360 and 360 x 180",
)
BUDGETS = {
    "LLaVA-NeXT": (None, 2400, 1800, 600),
    "Qwen2-VL": (None, 256, 128, 64),
    "SmolVLM": (None, 640, 320, 64),
    "nano": (None, 84, 55, 26),
}


@dataclass(frozen=True)
class Settings:
    """Measure the image budget.

    Args:
        sizes: of the random models: small, tiny.
        rounds: how often each is measured; the best counts.
        scenes: evaluate nano, on this folder of captioned images.
        out: where the result is written, as JSON.

    """

    sizes: str = "small"
    rounds: int = 3
    scenes: Path = EXAMPLES / "scenes"
    out: Path = Path("benchmarks/results/image-budget.json")


@dataclass(frozen=True)
class Cost:
    """What a photo takes with a budget: tokens, and CPU seconds."""

    family: str
    budget: int | None
    tokens: int
    prompt: int
    seconds: float
    ratio: float


@dataclass(frozen=True)
class Recall:
    """What nano finds with a budget: percent by task; `tokens` of an image, on average."""

    budget: int | None
    tokens: float
    seconds: float
    figures: dict[str, float]


@dataclass(frozen=True)
class Known:
    """What is known so far."""

    costs: tuple[Cost, ...] = ()
    recalls: tuple[Recall, ...] = ()


def measure(settings: Settings) -> Iterator[Known]:
    """Yield what is known after each family, and after each budget of nano."""
    sentences = read_sentences(EXAMPLES / "nli" / "train.csv")
    costs: list[Cost] = []
    for family in FAMILIES:
        say(f"measuring {family}")
        with TemporaryDirectory() as folder:
            write_family(family, Path(folder), SIZES[settings.sizes], sentences)
            costs += measure_family(family, Path(folder), settings.rounds)
        yield Known(tuple(costs))
    recalls: list[Recall] = []
    for budget in BUDGETS["nano"]:
        say(f"evaluating nano with {budget or 'all'} tokens an image")
        recalls.append(evaluate(budget, settings.scenes))
        yield Known(tuple(costs), tuple(recalls))


def measure_family(family: str, folder: Path, rounds: int) -> list[Cost]:
    """Time one photo by each budget of a family."""
    photo = Image.effect_noise(SIZE, 80).convert("RGB")
    budgets = BUDGETS[family]
    models = [
        E5V(folder, dtype="bfloat16", device="cpu", image_tokens=budget) for budget in budgets
    ]
    best = [float("inf")] * len(models)
    for round_ in range(rounds + 1):  # the first warms up
        for place, model in enumerate(models):
            spent = _seconds(model, photo)
            best[place] = min(best[place], spent if round_ else best[place])
    inputs = [model.prepare(photo).prompted for model in models]
    return [
        Cost(
            family,
            budget,
            one.counts[0],
            len(one.ids),
            round(seconds, 4),
            round(seconds / best[0], 3),
        )
        for budget, one, seconds in zip(budgets, inputs, best, strict=True)
    ]


def _seconds(model: E5V, photo: Image.Image) -> float:
    begun = time.process_time()
    model.encode([photo])
    return time.process_time() - begun


def evaluate(budget: int | None, scenes: Path) -> Recall:
    """Evaluate nano with a budget on a folder of captioned images."""
    model = E5V("nano", dtype="float32", device="cpu", image_tokens=budget)
    images = sorted((scenes / "images").glob("*.png"))
    counts = [sum(model.prepare(path).prompted.counts) for path in images]
    begun = time.process_time()
    known = find_figures(model, scenes)
    spent = time.process_time() - begun
    return Recall(budget, round(sum(counts) / len(counts), 1), round(spent, 1), known)


def report(settings: Settings, known: Known) -> dict[str, Any]:
    """Return all that is written down."""
    return {
        "what": "tokens and time of a photo, and recall, by the most tokens of an image",
        "notes": NOTES,
        "settings": {
            **asdict(settings),
            "scenes": str(settings.scenes),
            "out": str(settings.out),
            "threads": 1,
            "photo": list(SIZE),
        },
        "costs": [asdict(one) for one in known.costs],
        "nano": [asdict(one) for one in known.recalls],
        "machine": asdict(describe_machine()),
        "versions": describe_versions(),
    }


def show(known: Known, console: Console) -> None:
    """Draw what a photo costs, and what nano finds."""
    table = Table("family", "budget", "image tokens", "CPU s", "of no budget")
    for one in known.costs:
        table.add_row(
            *(one.family, str(one.budget or "-"), f"{one.tokens:,}", f"{one.seconds:.2f}"),
            f"{one.ratio:.2f}",
        )
    console.print(table)
    names = list(known.recalls[0].figures) if known.recalls else []
    _draw_recalls(known.recalls, names, console)


def _draw_recalls(recalls: Sequence[Recall], names: Sequence[str], console: Console) -> None:
    table = Table("nano's budget", "tokens", *names)
    for one in recalls:
        values = [f"{one.figures[name]:.1f}" for name in names]
        table.add_row(str(one.budget or "-"), f"{one.tokens:.0f}", *values)
    console.print(table)


def main() -> None:
    """Measure, show and write."""
    settings = tyro.cli(Settings)
    torch.set_num_threads(1)
    publish(measure(settings), settings.out, lambda known: report(settings, known), show)


if __name__ == "__main__":
    main()
