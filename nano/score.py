"""What a model gets on the scenes, as records that docs/miniature.md is made from.

model, folder -> e5v.evaluation -> figures and gap of each variant
              -> words that it says, images that free English finds
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from PIL import Image

from e5v import E5V
from e5v.evaluation.benchmark_data import read_benchmark
from e5v.evaluation.benchmark_scores import score_benchmark
from e5v.evaluation.benchmarks import find_benchmarks
from e5v.evaluation.cache import Cache
from e5v.evaluation.cached_embedder import CachedEmbedder
from e5v.evaluation.evaluate import BenchmarkData
from e5v.evaluation.tasks import Grading, Material, Pool, Search, Task
from e5v.evaluation.variants import Ablation, variants
from e5v.inputs import RawItem, normalise
from nano.concepts import WORDINGS
from nano.findings import EDITS, IMAGES, ONE_WORD, Record
from nano.text_images import letter

WORDED = 8  # scenes whose words are told
SAID = 4  # words each
FOUND = 3  # images of a query
QUERIES: list[str] = WORDINGS["queries"]
OWN = {"": ONE_WORD, "read at last": ONE_WORD}  # the model itself, whatever else is tried


def read_data(folder: Path, name: str = "folder") -> BenchmarkData:
    """Read the data of a benchmark, a folder of one's own unless it is named."""
    (benchmark,) = find_benchmarks([name])
    return BenchmarkData(benchmark, read_benchmark(benchmark, folder))


def score_variants(
    model: E5V, data: BenchmarkData, ablation: Ablation | None = None
) -> dict[str, Record]:
    """Score the variants of an ablation, or the model itself; return their scores by name."""
    cache = Cache()
    return {
        OWN.get(one.label, one.label): score_embedder(CachedEmbedder(one.embedder, cache), data)
        for one in variants(model, ablation)
    }


def score_embedder(embedder: CachedEmbedder, data: BenchmarkData) -> Record:
    """Return the scores of an embedder: figures by task, in percent, and the gap, with its plane.

    Among a task's figures, "queries" and "candidates" count what it is of, and "first" has a 1 for
    each query of a search whose answer came first, else a 0.
    """
    measured = data.benchmark.name == "folder"
    scores = score_benchmark(data.benchmark, data.material, embedder, gap=measured)
    figures = {task.name: _count_items(task) for task in data.material.tasks}
    for task, ranks in scores.places.items():
        figures[task]["first"] = "".join(str(int(one[0] == 0)) for one in ranks)
    for figure in scores.figures:
        value = None if figure.value is None else round(figure.value, 2)
        figures[figure.task][figure.metric] = value
    numbers = asdict(scores.gap) if scores.gap else {}
    plane = numbers.pop("plane", None)
    rounded = {name: round(v, 4) if isinstance(v, float) else v for name, v in numbers.items()}
    return {"figures": figures, "gap": rounded, "plane": plane}


def score_model(model: E5V, data: BenchmarkData) -> Record:
    """Return the figures of the model itself."""
    figures: Record = score_variants(model, data)[ONE_WORD]["figures"]
    return figures


def _count_items(task: Task) -> Record:
    if isinstance(task, Grading):
        return {"queries": len(task.grades)}
    return {"queries": len(task.queries[0].items), "candidates": len(task.candidates.items)}


def letter_captions(data: BenchmarkData) -> BenchmarkData:
    """Draw the captions as images, which are to find the scenes: the paper's Table 4."""
    search = _find_search(data)
    texts = _read_texts(search)
    drawn = [letter(text, random.Random(n)).pixels for n, text in enumerate(texts)]
    pool = Pool([Image.fromarray(pixels) for pixels in drawn], "image", "rendered")
    return replace(data, material=Material((replace(search, queries=(pool,)),), ""))


def word_edits(data: BenchmarkData) -> BenchmarkData:
    """Ask for edits in words alone: the caption of a scene stands in its picture's place."""
    images, edits = _find_search(data), _find_search(data, EDITS)
    shown = (str(images.candidates.items[true[0]]) for true in images.relevance.true)
    caption = dict(zip(shown, _read_texts(images), strict=True))
    asked = [item for item in edits.queries[0].items if isinstance(item, dict)]
    wording: str = WORDINGS["triplets"][0]
    worded = [wording.format(x=caption[str(one["image"])], edit=one["text"]) for one in asked]
    search = replace(edits, queries=(Pool(worded, "text"),))
    return replace(data, material=Material((search,), ""))


def collect_words(model: E5V, data: BenchmarkData) -> list[Record]:
    """Return what the first scenes and their captions say."""
    search = _find_search(data)
    found = []
    for place, text in enumerate(_read_texts(search)[:WORDED]):
        image = search.candidates.items[search.relevance.true[place][0]]
        says = {"caption says": find_words(model, text), "image says": find_words(model, image)}
        found.append({"caption": text, **says})
    return found


def find_words(model: E5V, item: RawItem) -> list[Record]:
    """Return the first words that an item says, with their probabilities."""
    item = {"text": item} if isinstance(item, str) else item
    return [
        {"word": one.word, "probability": round(one.probability, 2)}
        for one in model.words(item, SAID)
    ]


def find_by_english(model: E5V, data: BenchmarkData) -> list[Record]:
    """Return the captions of the images that some queries in free English find."""
    search = _find_search(data)
    texts = _read_texts(search)
    caption = {true[0]: text for text, true in zip(texts, search.relevance.true, strict=True)}
    cosines = model.encode(QUERIES) @ model.encode(search.candidates.items).T
    found = []
    for query, row in zip(QUERIES, cosines, strict=True):
        best = [place for place in np.argsort(-row, kind="stable") if place in caption][:FOUND]
        found.append({"query": query, "found": [caption[one] for one in best]})
    return found


def _find_search(data: BenchmarkData, name: str = IMAGES) -> Search:
    """Return a search, the one that looks for images by their captions unless it is named."""
    searches = (task for task in data.material.tasks if isinstance(task, Search))
    return next(one for one in searches if one.name == name)


def _read_texts(search: Search) -> Sequence[str]:
    return [normalise(item).texts[0] for item in search.queries[0].items]
