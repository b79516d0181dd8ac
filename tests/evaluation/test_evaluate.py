"""From folders to figures, with a real small model and with anything that encodes."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from e5v import E5V, UsageError
from e5v.errors import DataError
from e5v.evaluation.benchmark_data import read_benchmark
from e5v.evaluation.benchmark_scores import compute_means, score_benchmark
from e5v.evaluation.benchmarks import BENCHMARKS, find_benchmarks
from e5v.evaluation.cache import Cache
from e5v.evaluation.cached_embedder import PART, AnyModel, CachedEmbedder, OwnModel
from e5v.evaluation.hub import HubCopy
from e5v.evaluation.published import COLUMNS, MEAN
from e5v.evaluation.scores import Figure
from e5v.evaluation.tasks import Material, Pool, Relevance, Search, Submission, pools
from e5v.evaluation.variants import variants
from e5v.vectors import unit

Checkpoints = Callable[[str], Path]
(FOLDER,) = find_benchmarks(["folder"])
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Letters:
    """Counts letters: an embedder whose answers can be worked out by hand."""

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []

    def encode(self, items: list[str]) -> NDArray[np.float64]:
        """Return one row of counts per item."""
        self.calls.append(items)
        return np.array([[one.count(letter) for letter in LETTERS] for one in items], np.float64)


def _letters(cache: Cache | None = None) -> tuple[Letters, CachedEmbedder]:
    model = Letters()
    return model, CachedEmbedder(AnyModel(model, "letters"), cache or Cache())


def _search(
    queries: Sequence[Sequence[str]], candidates: Sequence[str], true: Sequence[int], **options: Any
) -> Material:
    pools = tuple(Pool(list(items), "text") for items in queries)
    relevance = Relevance([[place] for place in true], **options)
    return Material((Search("s", pools, Pool(list(candidates), "text"), relevance, (1, 2)),), "r")


def test_figures_are_shares_of_queries() -> None:
    """A percentage of something else, or a metric under another name."""
    material = _search([["aab", "bbc", "cca"]], ["aab", "bbb", "cca", "ccc"], [0, 2, 3])
    _, embedder = _letters()
    done = score_benchmark(FOLDER, material, embedder)
    assert [one.metric for one in done.figures] == ["R@1", "R@2"]
    assert [one.value for one in done.figures] == pytest.approx([100 / 3, 200 / 3])
    assert [one.tolist() for one in done.places["s"]] == [[0], [3], [1]]
    assert done.run.counts == {"texts": 7}
    assert (done.run.embedded, done.run.remembered) == (5, 2)
    assert done.run.protocol == FOLDER.protocol


def test_a_pool_in_two_tasks_is_made_once() -> None:
    """25,000 captions drawn anew for the second direction; a bar that runs past its end."""
    material = _search([["aab", "bbc"]], ["aab", "ccc"], [0, 1])
    (search,) = material.tasks
    assert isinstance(search, Search)
    other = Search("t", (search.candidates,), search.queries[0], Relevance([[0], [1]]), (1,))
    both = Material((search, other), "r")
    model, embedder = _letters()
    steps: list[int] = []
    done = score_benchmark(FOLDER, both, embedder, steps.append)
    assert sum(steps) == sum(len(pool.items) for pool in pools(both.tasks)) == 4
    assert sum(map(len, model.calls)) == 3
    assert [one.task for one in done.figures] == ["s", "s", "t"]


def test_queries_of_several_pools_are_summed_before_they_are_unit() -> None:
    """FashionIQ's two orders, normalised one by one: a short caption would weigh as a long one."""
    # aaaa + b leans to a; of unit vectors, it would stand between and b's neighbour would win
    material = _search([["aaaa"], ["b"]], ["aaab", "abb"], [0])
    _, embedder = _letters()
    assert score_benchmark(FOLDER, material, embedder).figures[0].value == 100
    reverse = _search([["a"], ["bbbb"]], ["aaab", "abb"], [1])
    assert score_benchmark(FOLDER, reverse, embedder).figures[0].value == 100


def test_subsets_have_their_own_name() -> None:
    """CIRR's subset recall, read as its recall."""
    material = _search([["aab"]], ["aab", "aab"], [0], among=[[0]])
    _, embedder = _letters()
    assert [one.metric for one in score_benchmark(FOLDER, material, embedder).figures] == [
        "R_s@1",
        "R_s@2",
    ]


def test_nothing_is_embedded_twice(tmp_path: Path) -> None:
    """A second metric that costs a second night."""
    material = _search([["aab", "bbc"]], ["aab", "ccc"], [0, 1])
    model, embedder = _letters(Cache(tmp_path / "cache.db"))
    score_benchmark(FOLDER, material, embedder)
    assert sum(map(len, model.calls)) == 3
    again, embedder = _letters(Cache(tmp_path / "cache.db"))
    score_benchmark(FOLDER, material, embedder)
    assert again.calls == []


def test_a_killed_run_keeps_what_it_made(tmp_path: Path) -> None:
    """A night's vectors, lost with the last one."""
    items = [f"{number} abc" for number in range(PART + 10)]
    model, embedder = _letters(Cache(tmp_path / "cache.db"))
    real = model.encode

    def killed(part: list[str]) -> NDArray[np.float64]:
        if len(model.calls) == 1:
            raise KeyboardInterrupt
        return real(part)

    model.encode = killed  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        embedder.vectors(Pool(items, "text"))
    again, embedder = _letters(Cache(tmp_path / "cache.db"))
    rows = embedder.vectors(Pool(items, "text"))
    assert sum(map(len, again.calls)) == 10
    assert np.array_equal(rows, Letters().encode(items))


def test_other_models_and_prompts_have_other_vectors(checkpoints: Checkpoints) -> None:
    """Figures of the model before, or of another prompt, out of the cache."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    cache = Cache()
    pool, other = Pool(["a dog"], "text"), Pool(["a dog"], "text", "sts")
    rows = [CachedEmbedder(OwnModel(model), cache).vectors(one)[0] for one in (pool, other)]
    deeper = CachedEmbedder(OwnModel(E5V(model.loaded, readout="1")), cache).vectors(pool)[0]
    for got, want in zip(rows, ("retrieval", "sts"), strict=True):
        assert np.array_equal(unit(got), model.encode(["a dog"], prompt=want)[0])
    assert not np.allclose(rows[0], rows[1])
    assert not np.allclose(rows[0], deeper)


def test_a_file_that_is_no_cache_is_told(tmp_path: Path) -> None:
    """A user's own file, overwritten."""
    (tmp_path / "notes.txt").write_text("to do: everything, and then some more\n" * 100)
    with pytest.raises(DataError, match="cannot be used as a cache"):
        Cache(tmp_path / "notes.txt")
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE vectors (number INTEGER)")
    cache = Cache(tmp_path / "other.db")
    with pytest.raises(DataError, match=r"other\.db: no such column: key; name another cache file"):
        cache.find([b"key"])
    cache.close()


def test_submissions_become_files() -> None:
    """A file that the test server refuses, or that ranks the reference first."""
    submission = Submission(
        "cirr",
        (Pool(["aab"], "composed"),),
        Pool([*("aab", "abb", "bbb", "ccc"), *(f"z{'c' * n}" for n in range(50))], "image"),
        ids=["7"],
        names=[f"n{place}" for place in range(54)],
        hidden=[[0]],
        among=[[1, 2, 3]],
    )
    _, embedder = _letters()
    done = score_benchmark(FOLDER, Material((submission,), "r"), embedder)
    assert done.figures == ()
    recall, subset = (json.loads(content) for content in done.files.values())
    assert list(done.files) == ["cirr-recall.json", "cirr-recall_subset.json"]
    assert recall["7"][:2] == ["n1", "n2"]
    assert len(recall["7"]) == 50
    assert subset["7"] == ["n1", "n2", "n3"]
    alone = replace(submission, among=[()])
    files = score_benchmark(FOLDER, Material((alone,), "r"), embedder).files
    assert list(files) == ["cirr-recall.json"], "the hub's copy has no subsets"


def test_means_are_of_whole_sets() -> None:
    """A mean of six sets beside the paper's of seven."""
    names = ("STS12", "STS13", "STS14", "STS15", "STS16", "STSBenchmark", "SICKRelatedness")
    figures = [Figure(name, name, "Spearman", float(n)) for n, name in enumerate(names)]
    (mean,) = compute_means(figures)
    assert (mean.value, mean.paper) == (3.0, 86.0)
    assert compute_means(figures[:-1]) == []
    assert compute_means([*figures[:-1], replace(figures[-1], value=None)]) == []


def test_the_mean_of_table_6_is_over_means() -> None:
    """The paper's last column, which is never shown because two of its parts are means."""
    single = [Figure(*key, 10.0) for key in COLUMNS if key[1] != "mean"]
    shops = [Figure("FashionIQ val", name, "R@50", 21.0) for name in ("shirt", "dress", "toptee")]
    names = ("STS12", "STS13", "STS14", "STS15", "STS16", "STSBenchmark", "SICKRelatedness")
    sets = [Figure(name, name, "Spearman", 32.0) for name in names]
    found = {(one.benchmark, one.metric): one for one in compute_means([*single, *shops, *sets])}
    assert len(found) == 3
    whole = found[MEAN[0], MEAN[2]]
    assert whole.value == pytest.approx((9 * 10 + 21 + 32) / 11)
    assert whole.paper == 80.7


def test_the_hub_is_read_where_no_folder_is_given() -> None:
    """A benchmark that only a reader of the code can reach; one that is not there at all."""
    coco, circo = find_benchmarks(["coco", "circo"])
    material = _search([["aab"]], ["aab"], [0])
    copied = replace(coco, hub=HubCopy(lambda: material, ()))
    assert read_benchmark(copied, None).tasks == material.tasks
    with pytest.raises(UsageError, match=r"circo is not on the hub; give a folder of its data"):
        read_benchmark(circo, None)
    on_the_hub = {one.name for one in BENCHMARKS if one.hub}
    named = ("flickr30k", "coco", "i2i-flickr30k", "i2i-coco", "cirr", "cirr-test", "fashioniq")
    assert on_the_hub == set(named)


@pytest.fixture
def own(tmp_path: Path, photos: list[Image.Image]) -> Path:
    """Give a folder of 12 images with captions, edits and pairs."""
    folder = tmp_path / "own"
    (folder / "images").mkdir(parents=True)
    for number in range(12):
        photos[number % 4].rotate(30 * number).save(folder / "images" / f"{number}.png")
    captions = [{"image": f"{n}.png", "text": f"picture {n} of a thing"} for n in range(12)]
    edits = [{"image": "0.png", "text": "turn it", "target": "4.png"}]
    for name, rows in (("captions", captions), ("edits", edits)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "pairs.tsv").write_text("a dog\ta cat\t2\na dog\ta dog\t5\na\tb c d\t0\n")
    return folder


def test_a_folder_of_ones_own_is_evaluated(own: Path, checkpoints: Checkpoints) -> None:
    """A format that is documented and of which one part is passed over."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    material = read_benchmark(FOLDER, own)
    embedder = CachedEmbedder(OwnModel(model), Cache())
    done = score_benchmark(FOLDER, material, embedder, gap=True)
    tasks = {one.task for one in done.figures}
    assert tasks == {"image retrieval", "text retrieval", "edits", "pairs"}
    assert all(one.value is not None and -100 <= one.value <= 100 for one in done.figures)
    assert done.gap is not None
    assert done.gap.images == done.gap.texts == 12
    assert done.gap.cosine_true is not None
    assert done.run.counts == {"texts": 18, "images": 12, "composed queries": 1}
    assert score_benchmark(FOLDER, material, embedder).gap is None


def test_ablations_vary_the_model(own: Path, checkpoints: Checkpoints) -> None:
    """Three rows of one table that are one row."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    pool = Pool(["a dog", "a cat"], "text")
    for ablation, count in (("prompt", 3), ("readout", 4)):
        rows = {
            one.label: CachedEmbedder(one.embedder, Cache()).vectors(pool)
            for one in variants(model, ablation)  # type: ignore[arg-type]
        }
        assert len(rows) >= count
        each = list(rows.values())
        assert all(not np.allclose(a, b) for n, a in enumerate(each) for b in each[:n])
    picture = Pool([own / "images" / "0.png"], "image")
    for one in variants(model, "prompt"):
        assert CachedEmbedder(one.embedder, Cache()).vectors(picture).shape == (1, model.width)
