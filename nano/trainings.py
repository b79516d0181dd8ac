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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nano.settings import Numbers, OnPairs, OnText
from nano.triplets import Mixture, write_triplets

COST = "cost.json"
ROWS_SEED = 1


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
    """Where trainings are made, and from what: `work` holds what can be made again."""

    base: Path
    work: Path
    art: Path
    nli: Path | None
    device: str | None


@dataclass(frozen=True)
class Order:
    """One training: how, with which numbers and seed, and the steps that it takes."""

    name: str
    how: OnText | OnPairs
    numbers: Numbers
    seed: int

    @property
    def label(self) -> str:
        """Name the training and what it leaves."""
        return f"{self.name}-{self.seed}"

    def within(self, steps: int) -> Order:
        """Return the same training of so many steps."""
        return replace(self, numbers=replace(self.numbers, steps=steps))

    def told(self) -> dict[str, Any]:
        """Return how it is trained, as it is kept beside its result."""
        own = {name: value for name, value in asdict(self.how).items() if value is not None}
        return {**self.numbers.of(self.how), **own, "seed": self.seed}


def digest(files: Sequence[Path]) -> str:
    """Tell the content of some files from any other."""
    state = hashlib.blake2b(digest_size=8)
    for file in files:
        state.update(file.read_bytes())
    return state.hexdigest()


def run(order: Order, shop: Workshop) -> Cost:
    """Train, unless that very training is there; its adapter is then in `adapter_of`.

    Raises:
        subprocess.CalledProcessError: the command failed; it has said why.
    """
    target = shop.work / order.label
    asked = {"base": digest([shop.base / "model.safetensors"]), "told": order.told()}
    kept = _read(target / COST)
    if kept and asked.items() <= kept.items():
        return Cost(**kept["cost"])
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", *_words(order, shop, target)]
    began, cpu = time.perf_counter(), _children_cpu()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_environment())
    seconds, cpu = time.perf_counter() - began, _children_cpu() - cpu
    numbers = order.numbers
    steps, tokens = _steps(target)
    cost = Cost(
        cpu_seconds=round(cpu, 1),
        seconds=round(seconds, 1),
        step_seconds=round(steps, 1),
        tokens=tokens,
        steps=numbers.steps,
        batch=numbers.batch,
    )
    (target / COST).write_text(json.dumps(asked | {"cost": asdict(cost)}) + "\n", encoding="utf-8")
    return cost


def adapter_of(order: Order, shop: Workshop) -> Path:
    """Return the folder of the adapter that a training leaves."""
    return shop.work / order.label / "adapter"


def rows_file(shop: Workshop, numbers: Numbers, composed: float) -> Path:
    """Return the file of triplets with such a share of composed rows; write it if need be."""
    mixed = f"-nli{numbers.nli_share:g}" if shop.nli else ""
    file = shop.work / f"triplets-{numbers.rows}-composed{composed:g}{mixed}.csv"
    if not file.exists():
        mixture = Mixture(composed, shop.nli, numbers.nli_share)
        write_triplets(file, rows=numbers.rows, seed=ROWS_SEED, mixture=mixture)
    return file


def _words(order: Order, shop: Workshop, target: Path) -> list[str]:
    how, numbers = order.how, order.numbers
    common = _options(
        {
            "steps": numbers.steps,
            "batch": numbers.batch,
            "lr": numbers.lr,
            "rank": numbers.rank,
            "alpha": numbers.alpha,
            "dropout": numbers.dropout,
            "seed": order.seed,
            **({"device": shop.device} if shop.device else {}),
        }
    )
    if numbers.symmetric if how.symmetric is None else how.symmetric:
        common.append("--symmetric")
    if isinstance(how, OnText):
        composed = numbers.composed if how.composed is None else how.composed
        own = {
            "model": shop.base,
            "data": rows_file(shop, numbers, composed),
            "out": target,
            "every": numbers.steps,
            "text-tokens": numbers.text_tokens,
            "prompt": how.prompt,
            "template": how.template,
            "mask": how.mask,
        }
        return ["e5v.cli", "train", *_options(own), *common, "--json"]
    own = {"images": how.images, "art": shop.art}
    if how.images < 1:
        own["texts"] = rows_file(shop, numbers, numbers.composed)
    bare = [] if how.negatives else ["--no-negatives"]
    return ["nano.contrast", str(shop.base), str(target), *_options(own), *common, *bare]


def _options(values: Mapping[str, Any]) -> list[str]:
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]


def _environment() -> dict[str, str]:
    """Let the command find this workshop's own modules, wherever it is started from."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _steps(target: Path) -> tuple[float, int]:
    """Return the seconds and the tokens of all steps."""
    fitted = _read(target / "fitted.json")
    if fitted:
        return fitted["seconds"], fitted["tokens"]
    lines = [
        json.loads(line) for line in (target / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return sum(one["seconds"] for one in lines), sum(one["tokens"] for one in lines)


def _read(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return read
