"""The paper's argument, rerun: every setting trained, scored and kept, one JSON each.

SETTINGS -> nano.trainings -> adapter -> nano.score -> nano/results/NAME-SEED.json
                                                    -> planes -> docs/miniature-gap.png

    python -m nano.study build/nano/base
To choose steps and rates, on the validation split and apart from the results:

    python -m nano.study build/nano/base --only base text --seeds 1 --steps 200
        --scenes build/nano/validation --work build/nano/a --results build/nano/a/results
        --gap build/nano/a/gap.png

A result that is there is not made again; one of another base, other data or other numbers stops
the study, so that no table holds both.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from benchmarks.machine import describe_machine, describe_versions
from e5v.errors import E5VError, UsageError
from e5v.evaluation.plane import Plane, draw_planes
from e5v.files import write_file
from nano.score import Folders, Judge, Told, open_model
from nano.settings import Numbers, OnPairs, Setting, find_settings
from nano.trainings import Cost, Order, Workshop, adapter_of, digest, run

RESULTS = Path(__file__).parent / "results"
GAP = Path(__file__).parents[1] / "docs" / "miniature-gap.png"
SEEDS = 3
SCENES = Path(__file__).parents[1] / "examples" / "scenes"
TEXTS = ("captions.jsonl", "edits.jsonl", "pairs.tsv")  # what tells one folder from another
SHOWN = {  # the panels of Figure 3, of which result and variant
    "Untuned, no prompt": ("base", "no prompt"),
    "Untuned, one word": ("base", "one word"),
    "Tuned on text, one word": ("text-0", "one word"),
}


@dataclass(frozen=True)
class Study:
    """What is compared on what, with which numbers, and where results go."""

    shop: Workshop
    folders: Folders
    numbers: Numbers
    results: Path

    def of(self, setting: Setting) -> dict[str, Any]:
        """Return what a result depends on and another one must not differ in."""
        numbers = {} if setting.how is None else self.numbers.of(setting.how)
        if "nli_share" in numbers and self.shop.nli is None:
            numbers["nli_share"] = 0.0
        return {
            "base": digest([self.shop.base / "model.safetensors"]),
            "scenes": texts_of(self.folders.scenes),
            **numbers,
        }

    def done(self, setting: Setting, label: str) -> bool:
        """Tell whether a result is there.

        Raises:
            UsageError: it is one of something else.
        """
        file = self.results / f"{label}.json"
        if not file.exists():
            return False
        kept, now = json.loads(file.read_text(encoding="utf-8"))["of"], self.of(setting)
        other = [name for name in now if now[name] != kept.get(name)]
        if other:
            raise UsageError(
                f"{file} is of other {', '.join(other)}; remove it, and it is made anew"
            )
        return True

    def make(self, setting: Setting, seed: int) -> None:
        """Train and score one setting, and keep what came of it."""
        label = label_of(setting, seed)
        adapter, told, cost = self._trained(setting, seed)
        model = open_model(str(self.shop.base), adapter, self.shop.device)
        judge = Judge(model, self.folders)
        scored = _scored(judge, setting)
        result = {
            "setting": setting.name,
            "title": setting.title,
            "seed": None if setting.how is None else seed,
            "of": self.of(setting),
            "trained": told,
            "scores": {name: {"figures": one.figures, "gap": one.gap} for name, one in scored},
            **(self._whole(judge) if setting.whole else {}),
            "cost": None if cost is None else asdict(cost),
            "parameters": sum(one.numel() for one in model.loaded.model.parameters()),
            "machine": asdict(describe_machine()),
            "threads": os.environ.get("OMP_NUM_THREADS", "all"),
            "device": str(model.device),
            "dtype": str(model.dtype).removeprefix("torch."),
            "versions": describe_versions(),
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        planes = {name: asdict(one.plane) for name, one in scored if one.plane}
        write(self.shop.work / "planes" / f"{label}.json", json.dumps(planes))
        write(self.results / f"{label}.json", json.dumps(result, indent=1) + "\n")

    def _trained(
        self, setting: Setting, seed: int
    ) -> tuple[Path | None, dict[str, Any] | None, Cost | None]:
        if setting.how is None:
            return None, None, None
        order = self._order(setting, seed)
        cost = run(order, self.shop)
        return adapter_of(order, self.shop), order.told(), cost

    def _order(self, setting: Setting, seed: int) -> Order:
        assert setting.how is not None
        order = Order(setting.name, setting.how, self.numbers, seed)
        if not isinstance(setting.how, OnPairs) or not setting.how.equal_compute:
            return order
        paid = self._paid(f"text-{seed}") / self._paid(f"{setting.name[: -len('-compute')]}-{seed}")
        return order.within(max(1, round(self.numbers.steps * paid)))

    def _paid(self, label: str) -> float:
        """Return what a training took: CPU seconds, or on a GPU those of its steps.

        Raises:
            UsageError: it has no result yet.
        """
        file = self.results / f"{label}.json"
        if not file.exists():
            raise UsageError(f"{file} is not there; equal compute needs its cost, so make it first")
        kept = json.loads(file.read_text(encoding="utf-8"))
        on_gpu = kept["device"].startswith("cuda")
        paid: float = kept["cost"]["step_seconds" if on_gpu else "cpu_seconds"]
        return paid

    def _whole(self, judge: Judge) -> dict[str, Any]:
        asked = {"words": judge.words, "english": judge.english, "lettered": judge.lettered}
        if self.folders.style:
            asked["style"] = judge.style
        if self.folders.sts:
            asked["sts"] = judge.sts
        return {name: ask() for name, ask in asked.items()}


def _scored(judge: Judge, setting: Setting) -> list[tuple[str, Told]]:
    """Score the variants that are asked for, each once."""
    found: dict[str, Told] = {}
    for ablation in setting.ablations:
        for name, told in judge.variants(ablation, setting.labels):
            found.setdefault(name, told)
    return list(found.items())


def texts_of(folder: Path) -> str:
    """Tell a folder of scenes from any other, by its texts."""
    return digest([folder / name for name in TEXTS])


def label_of(setting: Setting, seed: int) -> str:
    """Name a result; what is not trained has no seed."""
    return setting.name if setting.how is None else f"{setting.name}-{seed}"


def make_all(study: Study, settings: Sequence[Setting], seeds: int) -> Iterator[str]:
    """Make what is not there yet; yield what is being made, before it is."""
    for seed in range(seeds):
        for setting in settings:
            label = label_of(setting, seed)
            if not study.done(setting, label):
                yield label
                study.make(setting, seed)


def draw_gap(work: Path, target: Path) -> bool:
    """Draw the panels of Figure 3 beside each other, if all of them were measured here."""
    planes: dict[str, Plane] = {}
    for title, (label, variant) in SHOWN.items():
        file = work / "planes" / f"{label}.json"
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if variant in kept:
            planes[title] = Plane(**kept[variant])
    if len(planes) < len(SHOWN):
        return False
    write(target, draw_planes(planes))
    return True


def write(file: Path, content: str | bytes) -> None:
    """Write a file that appears when it is whole, in a folder that may have to be made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(file, content)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="settings by name")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--scenes", type=Path, default=SCENES)
    parser.add_argument("--style", type=Path, help="the same scenes in a style not trained on")
    parser.add_argument("--sts", type=Path, help="SentEval's data/downstream")
    parser.add_argument("--nli", type=Path, help="real triplets to mix in, as SimCSE's")
    parser.add_argument("--work", type=Path, default=Path("build/nano/study"))
    parser.add_argument("--art", type=Path, default=Path("build/nano"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--gap", type=Path, default=GAP, help="where Figure 3 is drawn")
    parser.add_argument("--device")
    for field in fields(Numbers):
        word, kind = f"--{field.name.replace('_', '-')}", type(field.default)
        if kind is bool:
            parser.add_argument(word, action=argparse.BooleanOptionalAction, default=field.default)
        else:
            parser.add_argument(word, type=kind, default=field.default)
    return parser


def main() -> None:
    """Read the command line and make what is not there yet."""
    given = _parser().parse_args()
    shop = Workshop(given.base, given.work, given.art, given.nli, given.device)
    numbers = Numbers(**{field.name: getattr(given, field.name) for field in fields(Numbers)})
    folders = Folders(given.scenes, given.style, given.sts)
    study = Study(shop, folders, numbers, given.results)
    try:
        for label in make_all(study, find_settings(given.only), given.seeds):
            print(label, flush=True)  # noqa: T201
    except (E5VError, CalledProcessError) as error:
        raise SystemExit(str(error)) from error
    drawn = draw_gap(given.work, given.gap)
    print(f"wrote {given.gap}" if drawn else "no gap plot: its planes are not here")  # noqa: T201


if __name__ == "__main__":
    main()
