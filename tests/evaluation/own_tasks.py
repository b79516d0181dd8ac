"""Tasks of mteb's own kinds on rows that a test makes: nothing is fetched."""

from collections.abc import Mapping, Sequence
from typing import Any

import mteb
import numpy as np
from datasets import Dataset, Features, Value
from datasets import Image as ImageColumn
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from numpy.typing import NDArray

from e5v.evaluation.mteb import MTEBModel
from e5v.evaluation.tasks import Relevance

Vectors = NDArray[np.float32]
Rows = Sequence[Mapping[str, Any]]
CUTOFFS = (1, 3, 5)


class Overheard(MTEBModel):
    """Keeps the vectors of each call, under the side they are for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heard: list[tuple[Any, Vectors]] = []

    def encode(self, *args: Any, **kwargs: Any) -> Vectors:
        """Embed as always, and keep it."""
        rows = super().encode(*args, **kwargs)
        self.heard.append((kwargs.get("prompt_type"), rows))
        return rows

    def side(self, name: str) -> Vectors:
        """Return the vectors of the queries or of the documents."""
        (rows,) = [rows for side, rows in self.heard if side == name]
        return rows


def metadata(name: str, kind: str, category: str, **told: Any) -> TaskMetadata:
    """Describe a task of that type and category."""
    return TaskMetadata(
        name=name,
        description="rows made by a test",
        dataset={"path": "none", "revision": "none"},
        type=kind,  # type: ignore[arg-type]
        category=category,  # type: ignore[arg-type]
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        **({"modalities": ["text", "image"], "main_score": "map_at_5"} | told),
    )


def stored(rows: Rows) -> Dataset:
    """Put rows into a table, images as the encoded files they are."""
    kinds = {name: Value("string") for name in rows[0]}
    if "image" in kinds:
        kinds["image"] = ImageColumn()
    return Dataset.from_list(list(rows), features=Features(kinds))


class OwnSearch(AbsTaskRetrieval):
    """A retrieval task whose rows are at hand."""

    metadata = metadata("OwnSearch", "Retrieval", "t2t")
    k_values = CUTOFFS

    def load_data(self, *_: Any, **__: Any) -> None:
        """Do nothing: the rows were given."""


def search(described: TaskMetadata, queries: Rows, corpus: Rows, true: Relevance) -> OwnSearch:
    """Make a search of the i-th query's `true[i]` in the corpus."""
    task = type(described.name, (OwnSearch,), {"metadata": described})()
    assert isinstance(task, OwnSearch)
    relevant = {f"q{place}": {f"d{one}": 1 for one in ones} for place, ones in enumerate(true.true)}
    task.dataset = {
        "default": {
            "test": {
                "queries": stored([{"id": f"q{n}", **row} for n, row in enumerate(queries)]),
                "corpus": stored([{"id": f"d{n}", **row} for n, row in enumerate(corpus)]),
                "relevant_docs": relevant,
                "top_ranked": None,
            }
        }
    }
    task.data_loaded = True
    return task


def scores_of(model: MTEBModel, task: Any, cache: Any = None) -> dict[str, float]:
    """Run a task as a user of mteb does."""
    done = mteb.evaluate(model, task, cache=cache, co2_tracker=False, show_progress_bar=False)
    (result,) = done.task_results
    (scores,) = result.scores["test"]
    return dict(scores)
