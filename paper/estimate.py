"""What a run needs before it begins: hours, disk and memory, and what can be left out.

items of each benchmark, steps of each training, shapes -> operations
one matrix product, timed on the device in its dtype    -> operations a second -> hours
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.flops import plain_flops, vision_flops
from benchmarks.machine import RateJob, measure_rate
from benchmarks.sizes import Sizes
from benchmarks.training_flops import adapter_flops
from e5v.data.records import RECORDS
from e5v.data.source import SOURCE
from e5v.errors import DataError
from e5v.training.recipe import Adapter
from paper.bases import Base
from paper.settings import Setting
from paper.stages import Plan
from paper.ways import BASIC, USUAL, Way

SHARE = 0.5  # of the rate of a matrix product that a whole model is counted on to reach
HOUR, GIGA = 3600, 1e9
RANK = Adapter().rank
STATE = 16  # bytes of a weight in training: itself, its gradient, two moments, each in float32
VECTOR = 4  # bytes of a value in a cache of vectors
ABLATED = 3  # prompts of Table 6
LITTLE, MUCH = 0.1, 100.0  # hours


@dataclass(frozen=True)
class Item:
    """One kind of item: its tokens, prompt included, and the tiles of its image."""

    tokens: int
    tiles: int = 0


TEXT, TRIPLET, PHOTO, DRAWN = Item(34), Item(36), Item(2365, 5), Item(1777, 3)
TWO_FORWARD_ONE_BACK = 3  # passes of gradient caching through frozen matrices
ADAPTED = 4  # passes through the adapter, whose weights take a gradient, too


@dataclass(frozen=True)
class Need:
    """What one setting needs: hours of training and of evaluation, and bytes on the disk."""

    setting: Setting
    training: float
    evaluation: float
    disk: float

    @property
    def hours(self) -> float:
        """All hours of it."""
        return self.training + self.evaluation


def count_items(*, whole: bool) -> dict[Item, int]:
    """Count what the benchmarks of Table 6 embed; with `whole`, CIRR's test set, too."""
    rows = {name: one.rows for name, one in RECORDS.items()}
    captions, photos = (
        sum(rows[name][kind] for name in ("flickr30k", "coco")) for kind in ("captions", "images")
    )
    cirr, fashion = rows["cirr"], rows["fashioniq"]
    photos += cirr["images"] + cirr["queries"]
    if whole:
        photos += cirr["test images"] + cirr["test queries"]
    photos += sum(count * (2 if "queries" in name else 1) for name, count in fashion.items())
    return {TEXT: captions + 2 * sum(rows["sts"].values()), PHOTO: photos, DRAWN: captions}


def count_evaluation(sizes: Sizes, setting: Setting, ways: Sequence[Way]) -> float:
    """Count the operations of all evaluations of a setting."""
    passes = ABLATED if setting.whole and not setting.trained else 1
    once = _sum_items(sizes, count_items(whole=setting.whole))
    return passes * once + sum(_sum_items(sizes, count_again(one)) for one in ways)


def count_again(way: Way) -> dict[Item, int]:
    """Count what is embedded once more for another way than the usual."""
    items = count_items(whole=False)
    if way == USUAL:
        return {}
    return items if way.layout == BASIC else {DRAWN: items[DRAWN]}


def _sum_items(sizes: Sizes, items: dict[Item, int]) -> float:
    return sum(count * plain_flops(sizes, one.tokens, one.tiles) for one, count in items.items())


def count_training(sizes: Sizes, setting: Setting, steps: int, batch: int) -> float:
    """Count the operations of a training: gradient caching goes forward twice and back once."""
    weights = setting.weights or [sum(RECORDS[name].rows.values()) for name in setting.data]
    share = {name: w / sum(weights) for name, w in zip(setting.data, weights, strict=True)}
    texts = 3 * share.get("nli", 0) + share.get("llava-pretrain", 0)
    photos = share.get("llava-pretrain", 0)
    tokens = texts * TRIPLET.tokens + photos * PHOTO.tokens
    seen = photos * vision_flops(sizes, PHOTO.tiles)  # frozen, and seen once
    return steps * batch * (count_training_tokens(sizes, tokens) + seen)


def count_training_tokens(sizes: Sizes, tokens: float) -> float:
    """Count the operations of the language model that training on so many tokens takes."""
    one = plain_flops(sizes, 1)
    return tokens * (TWO_FORWARD_ONE_BACK * one + ADAPTED * adapter_flops(sizes, 1, 0, RANK))


def find_needs(plan: Plan, rate: float) -> list[Need]:
    """Return what each setting needs, its seeds together, at a rate of operations a second."""
    needs = []
    for setting in plan.runnable:
        base, seeds = plan.bases[setting.base], len(setting.seeds(plan.seeds))
        numbers = plan.numbers
        trained = count_training(base.sizes, setting, numbers.steps, numbers.batch)
        ways = plan.ways_of(setting)
        measured = count_evaluation(base.sizes, setting, ways)
        every = (count_items(whole=setting.whole), *map(count_again, ways))
        disk = VECTOR * base.sizes.width * sum(sum(one.values()) for one in every)
        if setting.trained:
            disk += base.size + 2 * VECTOR * _count_adapter(base)  # merged; adapter, optimiser
        training, evaluation = (
            one * seeds / rate / HOUR for one in (trained * setting.trained, measured)
        )
        needs.append(Need(setting, training, evaluation, seeds * disk))
    return needs


def _count_adapter(base: Base) -> int:
    return adapter_flops(base.sizes, 1, 1, RANK) // 2


def measure(plan: Plan) -> tuple[float, str]:
    """Time a matrix product of the first base; return operations a second, and where it was."""
    from e5v.model.devices import pick_device, pick_dtype

    sizes = plan.used_bases[0].sizes
    device = pick_device(plan.device)
    dtype = str(pick_dtype(plan.dtype, device)).removeprefix("torch.")
    rows = 8192 if device.type == "cuda" else 256
    job = RateJob(dtype, ((rows, sizes.width, sizes.mlp),), str(device))
    return measure_rate(job).best, f"{device}, {dtype}"


def sum_disk(plan: Plan, needs: list[Need]) -> dict[str, float]:
    """Return the bytes that data, bases and settings take, by name."""
    data = {name: RECORDS[name] for name in plan.used_data}
    lacking = [one for one in data.values() if not (plan.data / one.home / SOURCE).exists()]
    bases = sum(one.size * (2 if one.converted else 1) for one in plan.used_bases)
    return {
        "data": float(sum(one.size for one in lacking)),
        "models before training": float(bases),
        "what is made": sum(one.disk for one in needs),
    }


def describe_needs(plan: Plan) -> Iterator[str]:
    """Yield lines: hours and disk of each setting, and what can be left out.

    Raises:
        UsageError: the device cannot be used here.
    """
    if not plan.runnable:
        yield "nothing can be run: see why below"
    else:
        rate, place = measure(plan)
        needs = find_needs(plan, SHARE * rate)
        reached = f"{rate / 1e12:,.3g} TFLOP/s that {place} reaches"
        yield f"needs, with data of the published size, at half of the {reached}:"
        yield f"  {'setting':<16} {'training':>10} {'evaluation':>11} {'disk':>10}  used in"
        for one in needs:
            used = ", ".join(filter(None, (one.setting.tables, one.setting.mixture)))
            yield (
                f"  {one.setting.name:<16} {_hours(one.training):>10} "
                f"{_hours(one.evaluation):>11} {one.disk / GIGA:>7,.1f} GB  {used}"
            )
        yield f"  {'together':<16} {_hours(sum(one.hours for one in needs)):>22}"
        disk = sum_disk(plan, needs)
        parts = ", ".join(f"{name} {size / GIGA:,.1f} GB" for name, size in disk.items())
        yield f"disk: {sum(disk.values()) / GIGA:,.1f} GB at most ({parts}); free {_free(plan.out)}"
        yield _describe_memory(plan)
        yield "to leave some out, name the rest with --only; each more seed takes as much again"
    for setting in plan.settings:
        if missing := plan.bases[setting.base].missing:
            yield f"{setting.name} cannot be run: {missing}"


def _hours(hours: float) -> str:
    if hours == 0:
        return "-"
    if hours < LITTLE:
        return f"{60 * hours:.1f} min"
    return f"{hours:,.1f} h" if hours < MUCH else f"{hours:,.0f} h"


def _describe_memory(plan: Plan) -> str:
    largest = max(plan.used_bases, key=lambda one: one.size)
    weights, state = largest.size / GIGA, STATE * _count_adapter(largest) / GIGA
    return (
        f"memory of the device: {weights:,.1f} GB of weights, {state:,.1f} GB of adapter and "
        "optimiser in training, and the activations of a chunk (--chunk-tokens, --recompute)"
    )


def _free(out: Path) -> str:
    return f"{find_free(out) / GIGA:,.1f} GB"


def find_free(out: Path) -> int:
    """Return how many bytes are free where a folder is, or will be."""
    place = next(one for one in (out, *out.absolute().parents) if one.is_dir())
    return shutil.disk_usage(place).free


def need_disk(plan: Plan) -> None:
    """Check that there is room for what is not made yet.

    Raises:
        DataError: there is not; says how much is needed.
    """
    needs = [one for one in find_needs(plan, 1.0) if not _is_made(plan, one.setting)]
    disk = sum_disk(plan, needs)
    if all(Path(plan.base_of(one)).exists() for one in plan.runnable):
        disk.pop("models before training")
    needed, free = sum(disk.values()), find_free(plan.out)
    if needed > free:
        raise DataError(
            f"{plan.out} needs {needed / GIGA:,.1f} GB more, and its disk has "
            f"{free / GIGA:,.1f} GB free; make room, choose another disk, or leave settings out"
        )


def _is_made(plan: Plan, setting: Setting) -> bool:
    labels = (setting.label(seed) for seed in setting.seeds(plan.seeds))
    return all((plan.evaluation(label) / "report.json").exists() for label in labels)
