"""What a model gets on the scenes, as JSON that docs/miniature.md is made from.

model (+ adapter) -> the package's own evaluation -> figures, gap, words, what English finds

    python -m nano.score build/nano/base --adapter build/nano/study/text-0 --data examples/scenes
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from e5v import E5V
from e5v.evaluation.benchmark_data import read_benchmark
from e5v.evaluation.benchmark_scores import BenchmarkScores, score_benchmark
from e5v.evaluation.benchmarks import find_benchmarks
from e5v.evaluation.cache import Cache
from e5v.evaluation.cached_embedder import CachedEmbedder
from e5v.evaluation.plane import Plane
from e5v.evaluation.tasks import Grading, Material, Pool, Search
from e5v.evaluation.variants import Ablation, Variant, variants
from e5v.inputs import normalise
from e5v.model.lora import find_run, merge_into_model
from e5v.vectors import unit
from nano.text_images import letter

WORDED = 8  # scenes whose words are told
SAID = 4  # words each
FOUND = 3  # images of a query
QUERIES = (
    "a puppy in the dark",
    "something sweet to eat",
    "two animals next to each other",
    "a vehicle on a red background",
    "it is raining",
    "a person could wear this",
    "music",
    "many of the same thing",
    "a house under something",
    "things for a sports match",
)
NAMED = {"": "one word", "read at last": "one word"}  # one variant, whatever else is tried
Record = dict[str, Any]


@dataclass(frozen=True)
class Folders:
    """What is asked of every model: a folder of scenes, one in another style, and STS-B."""

    scenes: Path
    style: Path | None = None
    sts: Path | None = None


@dataclass
class Judge:
    """Scores one model; an item is embedded once for each wording and read-out."""

    model: E5V
    data: Folders
    cache: Cache = field(default_factory=Cache)

    def variants(
        self, ablation: Ablation | None, labels: Sequence[str] = ()
    ) -> Iterator[tuple[str, Told]]:
        """Evaluate under the variants of an ablation, or under those that are named."""
        for one in variants(self.model, ablation):
            name = NAMED.get(one.label, one.label)
            if not labels or name in labels:
                yield name, self._scored(one)

    def _scored(self, variant: Variant) -> Told:
        material = self._read("folder", self.data.scenes)
        return _told(self._evaluate("folder", material, variant), material)

    def style(self) -> Record:
        """Find images of a style that was never trained on."""
        assert self.data.style
        whole = self._read("folder", self.data.style)
        tasks = tuple(one for one in whole.tasks if one.name.endswith("retrieval"))
        return self._figures("folder", replace(whole, tasks=tasks))

    def sts(self) -> Record:
        """Grade real sentences: the test pairs of STS-B."""
        assert self.data.sts
        return self._figures("stsbenchmark", self._read("stsbenchmark", self.data.sts))

    def lettered(self) -> Record:
        """Find images by their captions drawn as images: the paper's Table 4."""
        task = _captions(self._read("folder", self.data.scenes))
        texts = [normalise(item).texts[0] for item in task.queries[0].items]
        drawn = [letter(text, "wide", random.Random(n)).pixels for n, text in enumerate(texts)]
        pool = Pool([Image.fromarray(pixels) for pixels in drawn], "image", "rendered")
        return self._figures("folder", Material((replace(task, queries=(pool,)),), "", ()))

    def words(self) -> list[Record]:
        """Return what the first scenes and their captions say."""
        task = _captions(self._read("folder", self.data.scenes))
        texts = task.queries[0].items[:WORDED]
        images = [
            task.candidates.items[task.relevance.true[place][0]] for place in range(len(texts))
        ]
        return [
            {
                "caption": normalise(text).texts[0],
                "caption says": self._said(text),
                "image says": self._said(image),
            }
            for text, image in zip(texts, images, strict=True)
        ]

    def _said(self, item: Any) -> list[Record]:
        return [
            {"word": one.word, "probability": round(one.probability, 2)}
            for one in self.model.words(item, SAID)
        ]

    def english(self) -> list[Record]:
        """Return the captions of the images that some queries in free English find."""
        task = _captions(self._read("folder", self.data.scenes))
        of = {true[0]: text for text, true in enumerate(task.relevance.true)}
        own = next(variants(self.model, None)).embedder
        gallery = unit(CachedEmbedder(own, self.cache).vectors(task.candidates))
        cosines = self.model.encode(QUERIES) @ gallery.T
        found = []
        for query, row in zip(QUERIES, cosines, strict=True):
            best = [int(place) for place in np.argsort(-row, kind="stable") if place in of][:FOUND]
            texts = [normalise(task.queries[0].items[of[place]]).texts[0] for place in best]
            found.append({"query": query, "found": texts, "cosine": round(float(row[best[0]]), 3)})
        return found

    def _read(self, name: str, folder: Path) -> Material:
        (benchmark,) = find_benchmarks((name,))
        return read_benchmark(benchmark, folder)

    def _figures(self, name: str, material: Material) -> Record:
        own = next(variants(self.model, None))
        return _told(self._evaluate(name, material, own), material).figures

    def _evaluate(self, name: str, material: Material, variant: Variant) -> BenchmarkScores:
        (benchmark,) = find_benchmarks((name,))
        remembering = CachedEmbedder(variant.embedder, self.cache)
        return score_benchmark(benchmark, material, remembering, gap=name == "folder")


@dataclass(frozen=True)
class Told:
    """What one variant got: figures by task and metric, in percent, and its gap, with the plane.

    Among a task's figures, "queries" and "candidates" count what it is of, and "first" has a 1 for
    each query of a search whose answer came first, else a 0.
    """

    figures: Record
    gap: Record
    plane: Plane | None


def _told(one: BenchmarkScores, material: Material) -> Told:
    figures: dict[str, Record] = {task.name: _sizes(task) for task in material.tasks}
    for name, places in one.places.items():
        figures[name]["first"] = "".join(str(int(found[0] == 0)) for found in places)
    for figure in one.figures:
        value = None if figure.value is None else round(figure.value, 2)
        figures[figure.task][figure.metric] = value
    if one.gap is None:
        return Told(figures, {}, None)
    numbers = {name: value for name, value in asdict(one.gap).items() if name != "plane"}
    gap = {name: round(v, 4) if isinstance(v, float) else v for name, v in numbers.items()}
    return Told(figures, gap, one.gap.plane)


def _sizes(task: Any) -> Record:
    if isinstance(task, Grading):
        return {"queries": len(task.grades)}
    return {"queries": len(task.queries[0].items), "candidates": len(task.candidates.items)}


def _captions(material: Material) -> Search:
    """Return the task that looks for images by their captions."""
    tasks: Sequence[Any] = material.tasks
    search: Search = next(one for one in tasks if one.name == "image retrieval")
    return search


def open_model(base: str, adapter: Path | None, device: str | None) -> E5V:
    """Open a model, with an adapter added if there is one."""
    model = E5V(base, device=device)
    if adapter:
        merge_into_model(adapter, model.loaded.model)
    return model


def main() -> None:
    """Read the command line, score, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--adapter", type=Path, help="a training's folder, or an adapter")
    parser.add_argument("--data", type=Path, default=Path("examples/scenes"))
    parser.add_argument("--ablate", choices=("prompt", "readout"))
    parser.add_argument("--device")
    given = parser.parse_args()
    adapter = find_run(given.adapter).adapter if given.adapter else None
    judge = Judge(open_model(given.model, adapter, given.device), Folders(given.data))
    scored = judge.variants(given.ablate)
    found = {name: {"figures": one.figures, "gap": one.gap} for name, one in scored}
    print(json.dumps({"scores": found, "words": judge.words()}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
