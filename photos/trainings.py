"""Runs the trainings of the study, each as `e5v train`; needs the language model alone.

setting, seed -> rows of texts -> e5v train, in a fresh process -> adapter, some checkpoints, cost

    python -m photos.trainings photos-base --nli nli_for_simcse.csv --only text --seeds 0

A training that is there is not made again; one that was killed goes on from its last checkpoint.
Each of another language model, other rows or other numbers is made anew.
"""

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import torch
import tyro
from tyro.conf import OmitArgPrefixes, Positional

from e5v.errors import E5VError, TrainingError
from e5v.files import replace_folder, write_file
from e5v.model.loading import load
from e5v.model.opening import DTypeName
from e5v.training.recipe import Recipe
from e5v.training.training_prompts import TrainingPrompts
from e5v.verbs.paths import need_file
from nano.settings import Setting
from nano.trainings import Order as OrderOf
from nano.trainings import digest, sum_steps
from photos.settings import CURVED, Numbers, find_settings

DTYPE: DTypeName = "bfloat16"
GIVEN = ("steps", "batch", "lr", "rank", "alpha", "dropout", "chunk_tokens", "every")
SAMPLE = "a dog on a log"  # its tokens, with the prompt around it, tell one prompt from another
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
PAIR = ("sent0", "sent1")

Order = OrderOf[Numbers]


@dataclass(frozen=True)
class Workshop:
    """Where trainings are made, and from what."""

    model: Positional[str] = "photos-base"
    """Name or folder of the model before training."""
    nli: Path = Path("nli_for_simcse.csv")
    """Triplets to train on, as SimCSE's: sent0, sent1, hard_neg."""
    work: Path = Path("build/photos")
    """Where everything goes that can be made again."""
    device: str | None = None


@dataclass(frozen=True)
class Trainings:
    """The trainings of the study, one after the other."""

    shop: OmitArgPrefixes[Workshop] = field(default_factory=Workshop)
    only: tuple[str, ...] = ()
    """Settings by name; by default all."""
    seeds: tuple[int, ...] = (0, 1, 2)
    numbers: OmitArgPrefixes[Numbers] = field(default_factory=Numbers)

    def orders(self) -> Iterator[Order]:
        """Yield the orders, all of one seed before those of the next.

        Raises:
            UsageError: a setting is not known.
        """
        trained = [one for one in find_settings(self.only) if one.trained]
        for seed in self.seeds:
            for setting in trained:
                yield make_order(setting, self.numbers, seed)


def make_order(setting: Setting, numbers: Numbers, seed: int) -> Order:
    """Return the training of a setting, whose own numbers count before the common ones."""
    return OrderOf(setting, replace(numbers, **setting.changes), seed)


def run(order: Order, shop: Workshop) -> Iterator[str]:
    """Train, unless that very training is there; yield a line for each step.

    Raises:
        E5VError: the model or the rows cannot be used.
        CalledProcessError: the command failed; it has said why.
    """
    target = shop.work / order.label
    asked = describe(order, shop)
    kept = read_record(target)
    if kept and kept["asked"] != asked:
        shutil.rmtree(target, ignore_errors=True)
    elif kept and kept["cost"]:
        return
    shop.work.mkdir(parents=True, exist_ok=True)
    _write_record(target, asked, None)
    yield from _train(order, shop, target)
    for checkpoint in target.glob("checkpoint-*"):  # its adapter is kept; the optimiser is large
        shutil.rmtree(checkpoint)
    _write_record(target, asked, sum_steps(target))


def describe(order: Order, shop: Workshop) -> dict[str, Any]:
    """Return what a training depends on, as JSON gives it back."""
    told = {
        "language": digest_language(shop.model),
        "nli": digest([shop.nli]),
        "told": order.told(),
    }
    described: dict[str, Any] = json.loads(json.dumps(told))
    return described


@cache
def digest_language(model: str) -> str:
    """Tell a language model from any other, by its layers and a prompt as it reads it.

    What sees images does not count: texts never come by it.
    """
    loaded = load(model, part="language", dtype=DTYPE)
    state = hashlib.blake2b(digest_size=8)
    for name, weight in sorted(loaded.language_model.layers.state_dict().items()):
        bits = weight.detach().cpu().contiguous().view(torch.uint8)
        state.update(name.encode() + bits.numpy().tobytes())
    (sample,) = TrainingPrompts(loaded, Recipe()).prepare([SAMPLE])
    state.update(json.dumps(list(sample.prompted.ids)).encode())
    return state.hexdigest()


def read_record(target: Path) -> dict[str, Any]:
    """Return what was asked of a training, and its cost, None while it is not done; {} for none."""
    file = _record(target)
    kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return kept


def _write_record(target: Path, asked: dict[str, Any], cost: dict[str, float] | None) -> None:
    write_file(_record(target), json.dumps({"asked": asked, "cost": cost}, indent=1) + "\n")


def _record(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")  # beside it: the folder is the command's


def adapter_after(target: Path, step: int | None = None) -> Path:
    """Return the folder of a training's adapter: the last one, or that after some steps."""
    return target / ("adapter" if step is None else f"step-{step:06d}")


def _train(order: Order, shop: Workshop, target: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "e5v.cli", "train", *_options(order, shop, target)]
    curve = order.numbers.curve if order.setting.name == CURVED else ()
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        for line in process.stdout or ():
            _keep_checkpoints(target, curve)
            step = json.loads(line)
            done = f"step {step['step']}/{order.numbers.steps}, loss {step['loss']:.3f}"
            yield f"{order.label}: {done}"
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    lost = [step for step in curve if not adapter_after(target, step).exists()]
    if lost:
        raise TrainingError(
            f"{target} has no checkpoint after step {lost[0]}; let every {order.numbers.every} "
            "steps be every so many that the curve's are among them, and take longer than a copy"
        )


def _keep_checkpoints(target: Path, steps: tuple[int, ...]) -> None:
    """Copy the adapters of checkpoints before the command replaces them by the next."""
    for step in steps:
        checkpoint, kept = target / f"checkpoint-{step:06d}", adapter_after(target, step)
        if checkpoint.exists() and not kept.exists():
            with replace_folder(kept) as part:
                for name in ADAPTER:
                    shutil.copyfile(checkpoint / name, part / name)


def _options(order: Order, shop: Workshop, target: Path) -> list[str]:
    how, numbers = order.setting, order.numbers
    values = {
        "model": shop.model,
        "data": shop.nli if how.negatives else _write_pairs(shop),
        "out": target,
        "prompt": how.prompt,
        "template": how.template,
        "mask": how.mask,
        "seed": order.seed,
        "dtype": DTYPE,
        **{name.replace("_", "-"): getattr(numbers, name) for name in GIVEN},
        **({"device": shop.device} if shop.device else {}),
    }
    flags = ["--json", "--resume"]
    return [word for name, value in values.items() for word in (f"--{name}", str(value))] + flags


def _write_pairs(shop: Workshop) -> Path:
    """Write the rows without their hard negatives."""
    out = StringIO()
    lines = csv.DictWriter(out, PAIR, extrasaction="ignore")
    lines.writeheader()
    with shop.nli.open(newline="", encoding="utf-8") as file:
        lines.writerows(csv.DictReader(file))
    target = shop.work / "pairs.csv"
    write_file(target, out.getvalue())
    return target


def main() -> None:
    """Read the command line and train what is not there yet."""
    trainings = tyro.cli(Trainings)
    try:
        need_file(trainings.shop.nli, "--nli")
        for one in trainings.orders():
            for line in run(one, trainings.shop):
                print(line, flush=True)  # noqa: T201
            print(f"{one.label}: {trainings.shop.work / one.label / 'adapter'}", flush=True)  # noqa: T201
    except (E5VError, subprocess.CalledProcessError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
