"""Runs one training of the argument as a command of its own, and keeps what it took.

Setting + Numbers -> e5v train | nano.contrast, in a fresh process -> adapter, Cost

A training that is there is not made again; one that was killed is, and one of another base.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from nano.settings import Numbers, Training
from nano.triplets import Mixture, write_triplets

COST = "cost.json"
ROWS_SEED = 1
COMMON = ("steps", "batch", "lr", "rank", "alpha", "dropout")


@dataclass(frozen=True)
class Cost:
    """What a training took: its whole command, opening the model included.

    `step_seconds` is the wall clock of the steps alone; `tokens` are those of all its prompts.
    """

    cpu_seconds: float
    seconds: float
    step_seconds: float
    tokens: int
    steps: int
    batch: int


@dataclass(frozen=True)
class Workshop:
    """Where trainings are made, and from what."""

    base: Positional[Path]
    """The model before training."""
    work: Path = Path("build/nano/study")
    """Where everything goes that can be made again."""
    art: Path = Path("build/nano")
    """The folder of nano.art's drawings."""
    nli: Path | None = None
    """Real triplets to mix in, as SimCSE's."""
    device: str | None = None


@dataclass(frozen=True)
class Order:
    """One training: how, with which numbers of its own, and its seed."""

    label: str
    training: Training
    numbers: Numbers
    seed: int

    def within(self, steps: int) -> Order:
        """Return the same training of so many steps."""
        return replace(self, numbers=replace(self.numbers, steps=steps))

    def told(self) -> dict[str, Any]:
        """Return how it is trained, as it is kept beside its result."""
        how = asdict(self.training)
        del how["changes"]
        return {**self.training.used(self.numbers), **how, "seed": self.seed}

    def adapter(self, shop: Workshop) -> Path:
        """Return the folder of the adapter that it leaves."""
        return shop.work / self.label / "adapter"


def digest(files: Sequence[Path]) -> str:
    """Tell the content of some files from any other."""
    state = hashlib.blake2b(digest_size=8)
    for file in files:
        state.update(file.read_bytes())
    return state.hexdigest()


def run(order: Order, shop: Workshop) -> Cost:
    """Train, unless that very training is there; its adapter is then in `order.adapter`.

    Raises:
        subprocess.CalledProcessError: the command failed; it has said why.
    """
    target = shop.work / order.label
    asked = {"base": digest([shop.base / "model.safetensors"]), "told": order.told()}
    kept = json.loads((target / COST).read_text()) if (target / COST).exists() else {}
    if kept and asked.items() <= kept.items():
        return Cost(**kept["cost"])
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", *_words(order, shop, target)]
    began, cpu = time.perf_counter(), _children_cpu()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_environment())
    seconds, cpu = time.perf_counter() - began, _children_cpu() - cpu
    log = (target / "log.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line) for line in log]
    cost = Cost(
        cpu_seconds=round(cpu, 1),
        seconds=round(seconds, 1),
        step_seconds=round(sum(one["seconds"] for one in steps), 1),
        tokens=sum(one["tokens"] for one in steps),
        steps=order.numbers.steps,
        batch=order.numbers.batch,
    )
    (target / COST).write_text(json.dumps(asked | {"cost": asdict(cost)}) + "\n", encoding="utf-8")
    return cost


def rows_file(shop: Workshop, numbers: Numbers) -> Path:
    """Return the file of triplets of texts; write it if need be."""
    mixed = f"-nli{numbers.nli_share:g}" if shop.nli else ""
    file = shop.work / f"triplets-{numbers.rows}-composed{numbers.composed:g}{mixed}.csv"
    if not file.exists():
        mixture = Mixture(numbers.composed, shop.nli, numbers.nli_share)
        write_triplets(file, rows=numbers.rows, seed=ROWS_SEED, mixture=mixture)
    return file


def _words(order: Order, shop: Workshop, target: Path) -> list[str]:
    how, numbers = order.training, order.numbers
    values: dict[str, Any] = {name: getattr(numbers, name) for name in COMMON} | {
        "seed": order.seed
    }
    if shop.device:
        values["device"] = shop.device
    flags = ["--symmetric"] if numbers.symmetric else []
    if not how.images:
        values |= {
            "model": shop.base,
            "data": rows_file(shop, numbers),
            "out": target,
            "every": numbers.steps,
            "text-tokens": numbers.text_tokens,
            "prompt": how.prompt,
            "template": how.template,
            "mask": how.mask,
        }
        return ["e5v.cli", "train", *_options(values), *flags, "--json"]
    values |= {"images": how.images, "art": shop.art}
    if how.images < 1:
        values["texts"] = rows_file(shop, numbers)
    flags += [] if how.negatives else ["--no-negatives"]
    return ["nano.contrast", str(shop.base), str(target), *_options(values), *flags]


def _options(values: dict[str, Any]) -> list[str]:
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]


def _environment() -> dict[str, str]:
    """Let the command find this workshop's own modules, wherever it is started from."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
