"""The benchmarks, one record each: source of the data, protocol, and the paper's figures.

A new benchmark is one record here and, if its file layout is new, one reader.
Figures are those of E5-V (LLaVA-NeXT-8B, tuned) in percent, from the tables named.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import get_args

from e5v.data.records import RECORDS, find_revision
from e5v.errors import UsageError
from e5v.evaluation.captions import read_captions
from e5v.evaluation.composed import CATEGORIES, read_circo, read_cirr, read_fashioniq
from e5v.evaluation.hub import (
    HubCopy,
    HubSet,
    read_hub_captions,
    read_hub_cirr,
    read_hub_cirr_test,
    read_hub_fashioniq,
)
from e5v.evaluation.own_folder import read_folder
from e5v.evaluation.published import COLUMNS, MEAN
from e5v.evaluation.sentences import Name, read_sts
from e5v.evaluation.tasks import Material

Published = Mapping[tuple[str, str], float]  # (task, metric) -> percent
Sizes = Mapping[str, tuple[int, int]]  # task -> queries, candidates


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    `source` is where the data are published, `read` reads a folder in that layout, and `hub` is
    the hub's copy, if there is one; `protocol` says in a sentence what affects the figures; `paper`
    has E5-V's figures from `table`, on data of `sizes`: queries and candidates of a task. If
    `drawn`, captions are drawn as images. `folder` is the name of the data's folder, if not the
    benchmark's name.
    """

    name: str
    title: str
    source: str
    protocol: str
    read: Callable[[Path], Material]
    paper: Published
    table: str = ""
    hub: HubCopy | None = None
    sizes: Sizes = field(default_factory=dict)
    drawn: bool = False
    folder: str = ""


def _make_recalls(task: str, *figures: float, ks: tuple[int, ...] = (1, 5, 10)) -> Published:
    return {(task, f"R@{k}"): figure for k, figure in zip(ks, figures, strict=True)}


def _make_both(images: tuple[float, float, float], texts: tuple[float, float, float]) -> Published:
    return {**_make_recalls("image retrieval", *images), **_make_recalls("text retrieval", *texts)}


def _make_set(name: str, split: str) -> HubSet:
    """Return a split of a data set of the hub, at the revision that is pinned if one is."""
    return HubSet(name, split, find_revision(name))


FLICKR = HubCopy(read_hub_captions, (_make_set("royokong/flickr30k_test", "test"),))
COCO = HubCopy(read_hub_captions, (_make_set("royokong/coco_test", "test"),))
CIRR = HubCopy(
    read_hub_cirr, (_make_set("royokong/cirr_val", "val"), _make_set("royokong/cirr_imgs", "val"))
)
CIRR_TEST = HubCopy(
    read_hub_cirr_test,
    (_make_set("royokong/cirr_test", "test"), _make_set("royokong/cirr_imgs", "test")),
)
FASHIONIQ = HubCopy(
    read_hub_fashioniq,
    (_make_set("royokong/fashioniq_val", "val"), _make_set("royokong/fashioniq_val_imgs", "val")),
)
HIT = "hit rate in both directions, the first five captions of an image"
DRAWN = "captions drawn as images and embedded as images; " + HIT
FLICKR_SIZE, COCO_SIZE = (
    {"image retrieval": (RECORDS[name].rows["captions"], RECORDS[name].rows["images"])}
    for name in ("flickr30k", "coco")
)
CIRR_ROWS, FASHIONIQ_ROWS = RECORDS["cirr"].rows, RECORDS["fashioniq"].rows
SPEARMAN = "Spearman over all pairs of the set together, sentences cleaned as in the official code"
STS = {
    "STS12": 80.03,
    "STS13": 89.94,
    "STS14": 85.67,
    "STS15": 89.09,
    "STS16": 85.89,
    "STSBenchmark": 87.88,
    "SICKRelatedness": 83.51,
}

BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        "flickr30k",
        "Flickr30K 1K",
        "royokong/flickr30k_test",
        HIT,
        read_captions,
        _make_both((79.5, 95.0, 97.6), (88.2, 98.7, 99.4)),
        "Table 1",
        hub=FLICKR,
        sizes=FLICKR_SIZE,
    ),
    Benchmark(
        "coco",
        "COCO 5K",
        "royokong/coco_test",
        HIT,
        read_captions,
        _make_both((52.0, 76.5, 84.7), (62.0, 83.6, 89.7)),
        "Table 1",
        hub=COCO,
        sizes=COCO_SIZE,
    ),
    Benchmark(
        "i2i-flickr30k",
        "I2I-Flickr30K",
        "royokong/flickr30k_test",
        DRAWN,
        read_captions,
        _make_both((67.8, 89.2, 93.6), (79.5, 95.2, 97.8)),
        "Table 4",
        hub=FLICKR,
        sizes=FLICKR_SIZE,
        drawn=True,
        folder="flickr30k",
    ),
    Benchmark(
        "i2i-coco",
        "I2I-COCO",
        "royokong/coco_test",
        DRAWN,
        read_captions,
        _make_both((41.2, 66.7, 76.2), (51.6, 76.8, 84.9)),
        "Table 4",
        hub=COCO,
        sizes=COCO_SIZE,
        drawn=True,
        folder="coco",
    ),
    Benchmark(
        "cirr",
        "CIRR val",
        "https://github.com/Cuberick-Orion/CIRR",
        "the reference image is excluded; Table 2 of the paper is from the test server",
        read_cirr,
        {("CIRR", "R@5"): 66.6},
        "Table 6",
        hub=CIRR,
        sizes={"CIRR": (CIRR_ROWS["queries"], CIRR_ROWS["images"])},
    ),
    Benchmark(
        "cirr-test",
        "CIRR test1",
        "https://github.com/Cuberick-Orion/CIRR",
        "writes the files for the test server",
        partial(read_cirr, split="test1"),
        {},
        "Table 2",
        hub=CIRR_TEST,
        folder="cirr",
    ),
    Benchmark(
        "fashioniq",
        "FashionIQ val",
        "https://github.com/XiaoxiaoGuo/fashion-iq",
        "the reference image is a candidate; vectors of both caption orders are summed",
        read_fashioniq,
        {
            **_make_recalls("shirt", 36.36, 56.43, ks=(10, 50)),
            **_make_recalls("dress", 23.75, 47.45, ks=(10, 50)),
            **_make_recalls("toptee", 35.29, 57.47, ks=(10, 50)),
        },
        "Table 3",
        hub=FASHIONIQ,
        sizes={
            category: (FASHIONIQ_ROWS[f"{category} queries"], FASHIONIQ_ROWS[f"{category} images"])
            for category in CATEGORIES
        },
    ),
    Benchmark(
        "circo",
        "CIRCO val",
        "https://github.com/miccunifi/CIRCO",
        "mean average precision, several true images, none excluded",
        read_circo,
        {},
    ),
    Benchmark(
        "circo-test",
        "CIRCO test",
        "https://github.com/miccunifi/CIRCO",
        "writes the file for the test server",
        partial(read_circo, split="test"),
        {},
        folder="circo",
    ),
    *(
        Benchmark(
            name.lower(),
            name,
            "SentEval's data/downstream",
            SPEARMAN,
            partial(read_sts, name=name),
            {(name, "Spearman"): STS[name]},
            "Table 5",
            folder="senteval",
        )
        for name in get_args(Name)
    ),
    Benchmark(
        "scenes",
        "emoji scenes",
        "examples/scenes",
        "read as your own folder; the bundled model is measured on it",
        read_folder,
        {},
    ),
    Benchmark(
        "folder",
        "own folder",
        "docs/evaluation-data.md",
        "your own captions, edits and pairs, whichever are present",
        read_folder,
        {},
    ),
)


SETS = tuple(name.lower() for name in STS)
PICTURES = ("flickr30k", "coco", "cirr", "fashioniq", "i2i-flickr30k", "i2i-coco")
GROUPS = {"sts": SETS, "table6": (*PICTURES, *SETS)}


@dataclass(frozen=True)
class Mean:
    """A mean that the paper gives, over figures by (title, task, metric); means are figures, too.

    It is listed under `title`.
    """

    title: str
    metric: str
    of: frozenset[tuple[str, str, str]]
    paper: float


def _make_fashioniq_mean(metric: str, paper: float) -> Mean:
    categories = ("shirt", "dress", "toptee")
    of = frozenset(("FashionIQ val", category, metric) for category in categories)
    return Mean("FashionIQ val", metric, of, paper)


MEANS = (
    _make_fashioniq_mean("R@10", 31.80),
    _make_fashioniq_mean("R@50", 53.78),
    Mean("STS", "Spearman", frozenset((name, name, "Spearman") for name in STS), 86.00),
    Mean(MEAN[0], MEAN[2], frozenset(COLUMNS), 80.7),
)


def find_benchmarks(names: Sequence[str]) -> list[Benchmark]:
    """Return benchmarks by name; "sts" stands for seven, "table6" for those of the paper's table.

    Raises:
        UsageError: a name is not known.
    """
    known = {one.name: one for one in BENCHMARKS}
    wanted = [name for given in names for name in GROUPS.get(given, (given,))]
    for name in wanted:
        if name not in known:
            names = [*known, *GROUPS]
            near = get_close_matches(name.lower(), names, n=1)
            meant = f"; did you mean {near[0]}?" if near else "."
            raise UsageError(
                f"benchmark {name} is not known{meant} The benchmarks are {', '.join(names)}"
            )
    return [known[name] for name in dict.fromkeys(wanted)]
