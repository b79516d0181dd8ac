"""What an embedder gets on photographs and texts, as records that docs/photographs.md is made from.

photos, captions -> figures of each variant, as they are and centred | the gap, with its plane
pairs of texts   -> Spearman's correlation
demo photos      -> words that they say, places of ten composed queries
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from e5v import E5V
from e5v.evaluation.cache import Cache
from e5v.evaluation.cached_embedder import CachedEmbedder, Embedder, Vectors
from e5v.evaluation.evaluate import BenchmarkData
from e5v.evaluation.metrics import places
from e5v.evaluation.tasks import Pool, Search
from e5v.evaluation.variants import Ablation, variants
from e5v.inputs import normalise
from e5v.retrieval import recall_at
from e5v.vectors import unit
from nano.findings import EDITS, IMAGES, ONE_WORD, Record
from nano.score import OWN, find_words, read_data, score_embedder

CENTRED = "centred"  # what the label of a variant ends with where each side is
WORDED = 20  # photos whose words are told


@dataclass(frozen=True)
class Exam:
    """What is asked: captioned photos, pairs of texts if there are any, demo photos with edits."""

    photos: BenchmarkData
    sts: BenchmarkData | None
    demo: BenchmarkData
    cache: Cache

    @classmethod
    def read(cls, photos: Path, sts: Path | None, demo: Path, cache: Path) -> "Exam":
        """Read the folders of the data; `cache` is a file that keeps vectors.

        Raises:
            DataError: a folder cannot be used.
        """
        graded = read_data(sts, "stsbenchmark") if sts else None
        return cls(read_data(photos), graded, read_data(demo), Cache(cache))


def score_model(model: E5V, exam: Exam, ablation: Ablation | None = None) -> dict[str, Record]:
    """Score the variants of an ablation, or the model itself; read-outs on photos alone."""
    scores: dict[str, Record] = {}
    for one in variants(model, ablation):
        label = OWN.get(one.label, one.label)
        texts = ablation != "readout" or label == ONE_WORD
        scores |= score(one.embedder, exam, label, texts=texts)
    return scores


def score(embedder: Embedder, exam: Exam, label: str, *, texts: bool = True) -> dict[str, Record]:
    """Score an embedder on the photos, as it is and centred, and on the pairs of texts."""
    cached = CachedEmbedder(embedder, exam.cache)
    raw = score_embedder(cached, exam.photos)
    if exam.sts and texts:
        raw["figures"] |= score_embedder(cached, exam.sts)["figures"]
    centred = {"figures": score_centred(cached, exam.photos), "gap": {}, "plane": None}
    return {label: raw, f"{label}, {CENTRED}": centred}


def score_centred(embedder: CachedEmbedder, data: BenchmarkData) -> Record:
    """Return the recalls after the mean of each side is taken from it.

    The mean is that of the very items that are searched, so these are no figures of a search for
    one query: they say how much of what is missing is a matter of the gap alone.
    """
    figures: Record = {}
    for task in data.material.tasks:
        if not isinstance(task, Search) or task.name == EDITS:
            continue
        queries, candidates = (_centre(embedder.vectors(pool)) for pool in _sides(task))
        found = places(queries, candidates, task.relevance)
        figures[task.name] = {
            "queries": len(queries),
            "candidates": len(candidates),
            "first": "".join(str(int(one[0] == 0)) for one in found),
            **{f"R@{k}": round(100 * recall_at(found, k), 2) for k in task.cutoffs},
        }
    return figures


def _sides(task: Search) -> tuple[Pool, Pool]:
    (queries,) = task.queries
    return queries, task.candidates


def _centre(rows: Vectors) -> Vectors:
    rows = unit(rows)
    centred: Vectors = unit(rows - rows.mean(0))
    return centred


def score_demo(embedder: Embedder, exam: Exam) -> tuple[Record, list[Record]]:
    """Return the figures on the demo photos, and where each composed query finds what it is after.

    Places are from 1; of several targets, that of the best.
    """
    cached = CachedEmbedder(embedder, exam.cache)
    figures: Record = score_embedder(cached, exam.demo)["figures"]
    return figures, list(_find_edits(cached, exam.demo))


def _find_edits(embedder: CachedEmbedder, data: BenchmarkData) -> Iterator[Record]:
    for task in data.material.tasks:
        if not isinstance(task, Search) or task.name != EDITS:
            continue
        queries, candidates = (unit(embedder.vectors(pool)) for pool in _sides(task))
        found = places(queries, candidates, task.relevance)
        for raw, true, ranks in zip(task.queries[0].items, task.relevance.true, found, strict=True):
            query = normalise(raw)
            yield {
                "image": Path(str(query.images[0])).name,
                "text": query.texts[0],
                "targets": [Path(str(task.candidates.items[one])).name for one in true],
                "place": int(ranks[0]) + 1,
            }


def collect_words(model: E5V, data: BenchmarkData) -> list[Record]:
    """Return what some of the photos say, evenly picked by their number."""
    tasks = (task for task in data.material.tasks if isinstance(task, Search))
    search = next(one for one in tasks if one.name == IMAGES)
    captions: dict[int, list[str]] = {}
    for item, (owner, *_) in zip(search.queries[0].items, search.relevance.true, strict=True):
        captions.setdefault(owner, []).append(normalise(item).texts[0])
    photos = search.candidates.items
    count = min(WORDED, len(photos))
    picked = [place * len(photos) // count for place in range(count)]
    return [
        {
            "image": Path(str(photos[place])).name,
            "captions": captions[place],
            "says": find_words(model, photos[place]),
        }
        for place in picked
        if place in captions
    ]
