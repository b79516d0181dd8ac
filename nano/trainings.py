"""Runs one training of the argument as a command of its own, and keeps what it took.

order -> rows of texts, of pictures or of both -> e5v train, in a fresh process -> adapter, its cost

A training that is there is not made again; one that was killed is, and one of another base.
"""

import hashlib
import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tyro.conf import Positional

from e5v.training.reading import read_triplets
from nano.art import load_art
from nano.pairs import write_pairs
from nano.settings import Numbers, Setting
from nano.triplets import Shares, write_triplets

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

COST = "cost.json"
ROWS_SEED = 1
GIVEN = ("steps", "batch", "lr", "rank", "alpha", "dropout", "text_tokens")  # to e5v train
HOW = ("images", "negatives", "prompt", "template", "mask")
N = TypeVar("N", bound="DataclassInstance")


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
class Order(Generic[N]):
    """One training: of a setting, with numbers of its own, and its seed."""

    setting: Setting
    numbers: N
    seed: int

    @property
    def label(self) -> str:
        """The name of its result, and of its folder in the workshop."""
        return self.setting.label(self.seed)

    def told(self) -> dict[str, Any]:
        """Return how it is trained, as it is kept beside its result."""
        how = {name: getattr(self.setting, name) for name in HOW}
        return {**asdict(self.numbers), **how, "seed": self.seed}


def digest(files: Sequence[Path]) -> str:
    """Tell the content of some files from any other."""
    state = hashlib.blake2b(digest_size=8)
    for file in files:
        state.update(file.read_bytes())
    return state.hexdigest()


def run(order: Order[Numbers], shop: Workshop) -> dict[str, float]:
    """Train, unless that very training is there; return what its whole command took.

    "step_seconds" is the wall clock of the steps alone; "tokens" are those of all its prompts.

    Raises:
        subprocess.CalledProcessError: the command failed; it has said why.
    """
    target = shop.work / order.label
    asked = {"base": digest([shop.base / "model.safetensors"]), "told": order.told()}
    kept = json.loads((target / COST).read_text()) if (target / COST).exists() else {}
    if kept and asked.items() <= kept.items():
        cost: dict[str, float] = kept["cost"]
        return cost
    shutil.rmtree(target, ignore_errors=True)
    shop.work.mkdir(parents=True, exist_ok=True)
    with _write_data(order, shop) as data:
        command = [sys.executable, "-m", "e5v.cli", "train", *_options(order, shop, data, target)]
        before = _children_cpu()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        cpu = _children_cpu() - before
    cost = {"cpu_seconds": round(cpu, 1), **sum_steps(target)}
    (target / COST).write_text(json.dumps(asked | {"cost": cost}) + "\n", encoding="utf-8")
    return cost


def sum_steps(target: Path) -> dict[str, float]:
    """Return what the steps of a training took, all together, from its log."""
    log = (target / "log.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line) for line in log]
    return {
        "step_seconds": round(sum(one["seconds"] for one in steps), 1),
        "tokens": sum(one["tokens"] for one in steps),
        "steps": len(steps),
    }


def rows_file(shop: Workshop, numbers: Numbers) -> Path:
    """Return the file of triplets of texts; write it if need be."""
    mixed = f"-nli{numbers.nli_share:g}" if shop.nli else ""
    kinds = f"composed{numbers.composed:g}-sizes{numbers.sizes:g}"
    file = shop.work / f"triplets-{numbers.rows}-{kinds}{mixed}.csv"
    if not file.exists():
        shares = Shares(numbers.composed, numbers.sizes, numbers.nli_share)
        write_triplets(file, rows=numbers.rows, seed=ROWS_SEED, shares=shares, nli=shop.nli)
    return file


@contextmanager
def _write_data(order: Order[Numbers], shop: Workshop) -> Iterator[Path]:
    """Write the rows of a training, each picture for one use; remove what is its own at the end."""
    how, numbers = order.setting, order.numbers
    texts = rows_file(shop, numbers) if how.images < 1 else None
    if texts and how.images == 0:
        yield texts
        return
    with TemporaryDirectory(prefix=f"{order.label}-", dir=shop.work) as folder:
        yield write_pairs(
            Path(folder),
            how,
            load_art("noto", shop.art),
            rows=numbers.steps * numbers.batch,
            seed=order.seed,
            texts=read_triplets([texts]).rows if texts else (),
        )


def _options(order: Order[Numbers], shop: Workshop, data: Path, target: Path) -> list[str]:
    how, numbers = order.setting, order.numbers
    values = {
        "model": shop.base,
        "data": data,
        "out": target,
        "every": numbers.steps,
        "prompt": how.prompt,
        "template": how.template,
        "mask": how.mask,
        "seed": order.seed,
        **{name.replace("_", "-"): getattr(numbers, name) for name in GIVEN},
        **({"device": shop.device} if shop.device else {}),
    }
    flags = ["--json", *(["--symmetric"] if numbers.symmetric else [])]
    return [word for name, value in values.items() for word in (f"--{name}", str(value))] + flags


def _children_cpu() -> float:
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])  # of the user and the system
