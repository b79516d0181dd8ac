"""Real tasks of mteb on small data of our own: nothing is fetched.

rows made here -> a task of mteb's own kinds -> mteb.evaluate -> its scores against our metrics'
"""

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from e5v import E5V, Prompt, UsageError
from e5v.errors import ItemError
from e5v.evaluation.metrics import average_precision, cosines, places, recall, spearman
from e5v.evaluation.mteb import PROMPTS, MTEBModel
from e5v.evaluation.tasks import Judgements
from e5v.items import RawItem
from e5v.model.prompts import RETRIEVAL

mteb = pytest.importorskip("mteb", reason="the extra `eval` is not installed")

from datasets import Dataset, DatasetDict, Features, Value  # noqa: E402  after the skip
from datasets import Image as ImageColumn  # noqa: E402
from mteb.abstasks.retrieval import AbsTaskRetrieval  # noqa: E402
from mteb.abstasks.sts import AbsTaskSTS  # noqa: E402
from mteb.abstasks.task_metadata import TaskMetadata  # noqa: E402
from mteb.models import EncoderProtocol, SearchProtocol  # noqa: E402

Vectors = NDArray[np.float32]
Rows = Sequence[Mapping[str, Any]]
TEXTS = (
    "a cat on a sofa",
    "two dogs run in the grass",
    "a red car",
    "the sea at night",
    "a plate of food",
    "snow on a mountain",
    "a child with an umbrella",
    "an old wooden boat",
)
CUTOFFS = (1, 3, 5)
CLOSE = 1e-5  # of the items of one batch, to those of another


@pytest.fixture(scope="module")
def model(checkpoints: Callable[[str], Path]) -> E5V:
    """Open a small random model of the paper's family."""
    return E5V(checkpoints("llava_next_llama3"), dtype="float32")


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


def search(described: TaskMetadata, queries: Rows, corpus: Rows, true: Judgements) -> OwnSearch:
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


def assert_as_ours(
    scores: Mapping[str, float], queries: Vectors, corpus: Vectors, judged: Judgements
) -> None:
    """Compare mteb's scores with our metrics of the same vectors."""
    found = places(queries, corpus, judged)
    ours = {f"hit_rate_at_{k}": recall(found, k) for k in CUTOFFS}
    ours["map_at_5"] = average_precision(found, 5)
    assert len({*ours.values()} - {0.0, 1.0}) > 1, "figures that say nothing"
    assert {name: scores[name] for name in ours} == pytest.approx(ours, abs=1e-5)


def png(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def drawn(photos: list[Image.Image]) -> list[bytes]:
    """Draw eight pictures, as files."""
    return [png(one.rotate(turn, expand=True)) for one in photos for turn in (0, 90)]


def test_a_search_for_texts_scores_as_ours(
    model: E5V, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a lost title, a text read as the file of its name, an empty one that ends the run."""
    monkeypatch.chdir(tmp_path)
    Path("cat.png").write_bytes(b"no image")
    corpus = [{"title": "", "text": text} for text in (*TEXTS, "cat.png", "")]
    corpus[0]["title"] = "Cats"
    asked = ["where is the cat", "dogs outside", "a vehicle", "water", "lunch", "cat.png"]
    judged = Judgements([[0], [1], [2, 7], [3], [4], [8]])
    wrapped = Overheard(model)
    scores = scores_of(
        wrapped,
        search(
            metadata("OwnTexts", "Retrieval", "t2t", modalities=["text"]),
            [{"text": text} for text in asked],
            corpus,
            judged,
        ),
    )
    texts: list[RawItem] = [{"text": text} for text in (*asked, f"Cats {TEXTS[0]}", *TEXTS[1:])]
    vectors = model.encode([*texts, {"text": "cat.png"}])
    queries, found = wrapped.side("query"), wrapped.side("document")
    np.testing.assert_allclose(queries, vectors[:6], atol=CLOSE)
    np.testing.assert_allclose(found[:9], vectors[6:], atol=CLOSE)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    assert_as_ours(scores, queries, found, judged)


def test_sentence_similarity_scores_as_ours(model: E5V) -> None:
    """Catches sentences asked for as in retrieval, where the paper has a prompt of their own."""

    class OwnPairs(AbsTaskSTS):
        metadata = metadata(
            "OwnPairs", "STS", "t2t", modalities=["text"], main_score="cosine_spearman"
        )

    left, right, grades = list(TEXTS), [*TEXTS[1:], "a cat"], [0.5, 1, 2, 0, 3, 5, 4, 2.5]
    task = OwnPairs()
    pairs = {"sentence1": left, "sentence2": right, "score": grades}
    task.dataset = DatasetDict({"test": Dataset.from_dict(pairs)})
    task.data_loaded = True
    scores = scores_of(MTEBModel(model), task)
    figures = {
        prompt: spearman(
            cosines(model.encode(left, prompt=prompt), model.encode(right, prompt=prompt)), grades
        )
        for prompt in ("sts", "retrieval")
    }
    assert scores["cosine_spearman"] == pytest.approx(figures["sts"], abs=1e-6)
    assert scores["spearman"] == pytest.approx(figures["sts"], abs=1e-6)
    assert figures["sts"] != pytest.approx(figures["retrieval"], abs=1e-3)


@pytest.mark.parametrize("category", ["t2i", "i2t"])
def test_a_search_between_images_and_texts_scores_as_ours(
    model: E5V, drawn: list[bytes], category: str
) -> None:
    """Catches an image asked for as a text, or a column that is read for the other side."""
    texts: Rows = [{"text": text} for text in TEXTS]
    images: Rows = [{"image": {"bytes": one, "path": None}} for one in drawn]
    sides = (texts, images) if category == "t2i" else (images, texts)
    judged = Judgements([[n, (n + 3) % 8] if n % 2 else [n] for n in range(8)])
    wrapped = Overheard(model)
    scores = scores_of(
        wrapped, search(metadata("OwnPhotos", "Any2AnyRetrieval", category), *sides, judged)
    )
    vectors = {"t": model.encode(TEXTS), "i": model.encode(drawn)}
    queries, found = vectors[category[0]], vectors[category[-1]]
    np.testing.assert_allclose(wrapped.side("query"), queries, atol=CLOSE)
    np.testing.assert_allclose(wrapped.side("document"), found, atol=CLOSE)
    assert_as_ours(scores, queries, found, judged)


def test_composed_queries_are_asked_as_edits(model: E5V, drawn: list[bytes]) -> None:
    """Catches words that are not the paper's, such as the instruction that mteb has for a task."""
    edits: list[RawItem] = [
        {"image": one, "text": text} for one, text in zip(drawn, TEXTS, strict=True)
    ]
    rows = [
        {"image": {"bytes": one, "path": None}, "text": text}
        for one, text in zip(drawn, TEXTS, strict=True)
    ]
    images: Rows = [{"image": {"bytes": one, "path": None}} for one in drawn]
    judged = Judgements([[(n + 1) % 8] for n in range(8)])
    described = metadata(
        "CIRRIT2IRetrieval", "Any2AnyRetrieval", "it2i", prompt={"query": "Find the image."}
    )
    wrapped = Overheard(model)
    scores = scores_of(wrapped, search(described, rows, images, judged))
    queries, found = model.encode(edits), model.encode(drawn, prompt="cirr")
    np.testing.assert_allclose(wrapped.side("query"), queries, atol=CLOSE)
    np.testing.assert_allclose(wrapped.side("document"), found, atol=CLOSE)
    assert abs(found - model.encode(drawn)).max() > 100 * CLOSE
    assert_as_ours(scores, queries, found, judged)


def test_illustrated_documents_are_not_asked_as_edits(model: E5V, drawn: list[bytes]) -> None:
    """Catches a page that "modifies" its picture, and a missing half that ends the run."""
    texts = [*TEXTS[:6], "", "last"]
    files = [*drawn[:7], None]
    corpus = [
        {"image": {"bytes": one, "path": None} if one else None, "text": text}
        for one, text in zip(files, texts, strict=True)
    ]
    judged = Judgements([[(n * 3) % 8] for n in range(6)])
    wrapped = Overheard(model)
    described = metadata("OwnPages", "Any2AnyRetrieval", "it2it")
    scores = scores_of(wrapped, search(described, corpus[:6], corpus, judged))
    mixture = replace(RETRIEVAL, edit=RETRIEVAL.mixture)
    items: list[RawItem] = [
        {"image": one, "text": text} for one, text in zip(files[:6], texts[:6], strict=True)
    ]
    vectors = model.encode([*items, drawn[6], "last"], prompt=mixture)
    np.testing.assert_allclose(wrapped.side("document"), vectors, atol=CLOSE)
    np.testing.assert_allclose(wrapped.side("query"), vectors[:6], atol=CLOSE)
    assert abs(vectors[:6] - model.encode(items)).max() > 100 * CLOSE
    assert 0 < scores["map_at_5"] < 1


def test_images_arrive_as_they_are(model: E5V, photos: list[Image.Image]) -> None:
    """Catches lost transparency, misread palettes or 16 bits, a photo turned or squeezed."""
    square = photos[2]
    clear = square.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(square.size))
    deep = Image.fromarray(np.linspace(0, 65535, 900).reshape(30, 30).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: on its side
    files = [
        png(clear),
        png(square.quantize(8)),
        png(square.convert("L")),
        png(deep),
        png(photos[0], "JPEG", exif=exif),
        png(photos[1], "JPEG", quality=30),
        png(photos[3].convert("CMYK"), "TIFF"),
    ]
    rows: Rows = [{"image": {"bytes": one, "path": None}} for one in files]
    wrapped = Overheard(model)
    described = metadata("OwnImages", "Any2AnyRetrieval", "i2i", modalities=["image"])
    scores_of(wrapped, search(described, rows, rows, Judgements([[0]] * 7)))
    vectors = model.encode(files)
    np.testing.assert_allclose(wrapped.side("document"), vectors, atol=CLOSE)
    opaque, sideways = png(clear.convert("RGB")), png(photos[0], "JPEG")
    damaged = model.encode([opaque, sideways])
    assert (abs(damaged - vectors[[0, 4]]).max(axis=1) > 100 * CLOSE).all()


def test_a_prompt_of_ones_own_is_asked_and_told(
    model: E5V, drawn: list[bytes], tmp_path: Path
) -> None:
    """Catches a prompt that is not used, and results that mteb keeps under another's."""
    mine = Prompt(text="<text>\nIts mood in one word:", image="<image>\nIts mood in one word:")
    plain, wrapped = Overheard(model), Overheard(model, prompts={"retrieval": mine})
    texts: Rows = [{"text": text} for text in TEXTS]
    images: Rows = [{"image": {"bytes": one, "path": None}} for one in drawn]
    described = metadata("OwnMoods", "Any2AnyRetrieval", "t2i")
    task = search(described, texts, images, Judgements([[n] for n in range(8)]))
    kept = mteb.ResultCache(tmp_path)
    for one in (plain, plain, wrapped):
        scores_of(one, task, kept)
    assert len(plain.heard) == 2  # a second run finds the first one's results
    np.testing.assert_allclose(wrapped.side("query"), model.encode(TEXTS, prompt=mine), atol=CLOSE)
    stored = [file.read_text() for file in tmp_path.rglob("model_meta.json")]
    assert sorted("Its mood in one word" in one for one in stored) == [False, True]


def test_what_mteb_is_told_of_the_model(model: E5V, checkpoints: Callable[[str], Path]) -> None:
    """Catches results of other weights, or of cut texts, filed as one; and made-up sizes."""
    wrapped = MTEBModel(model)
    assert isinstance(wrapped, EncoderProtocol)
    assert not isinstance(wrapped, SearchProtocol)
    told = wrapped.mteb_model_meta
    assert told.name == "local/llava_next_llama3"
    assert (told.embed_dim, told.max_tokens) == (model.width, model.max_tokens)
    assert told.modalities == ["image", "text"]
    state = model.loaded.model.state_dict()
    count = sum(one.numel() for one in state.values())
    (embeddings,) = [one.numel() for name, one in state.items() if "embed_tokens" in name]
    assert (told.n_parameters, told.n_embedding_parameters) == (count, embeddings)
    assert told.memory_usage_mb == pytest.approx(4 * count / 2**20)
    assert [told.training_datasets, told.license, told.release_date] == [None] * 3

    folder = checkpoints("llava_next_llama3")
    other = MTEBModel(E5V(folder, dtype="bfloat16"), name="me/mine").mteb_model_meta
    assert other.name == "me/mine"
    assert other.revision != told.revision
    short = MTEBModel(E5V(model.loaded, max_tokens=64)).mteb_model_meta
    assert short.revision == told.revision
    assert short.experiment_name != told.experiment_name


@pytest.mark.parametrize("name", [name for name in PROMPTS if name != "STS"])
def test_tasks_with_prompts_of_their_own_are_mtebs(name: str) -> None:
    """Catches a task of mteb's that is called otherwise, and so asked for like any other."""
    (task,) = mteb.get_tasks(tasks=[name])
    assert task.metadata.category == "it2i"


def test_sentence_similarity_is_a_type_of_mtebs() -> None:
    """Catches the type of the paper's seven sets called otherwise."""
    assert {mteb.get_task(name).metadata.type for name in ("STS12", "SICK-R")} == {"STS"}


def one_batch(**columns: Any) -> Any:
    """Give a batch as a loader does, of columns of any kind."""
    from torch.utils.data import DataLoader

    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    # a loader of mteb's leaves images as they are
    return DataLoader(
        Dataset.from_dict({"n": range(len(rows))}),
        batch_size=len(rows),
        collate_fn=lambda _: columns,
    )


def embed(model: E5V, batch: Any, **options: Any) -> Vectors:
    """Embed a batch as a task of texts does."""
    return MTEBModel(model).encode(
        batch,
        task_metadata=metadata("OwnTexts", "Retrieval", "t2t"),
        hf_split="test",
        hf_subset="default",
        **({"show_progress_bar": False} | options),
    )


@pytest.mark.parametrize(
    ("columns", "options", "cause"),
    [
        ({"text": ["a"], "audio": [0]}, {}, "columns audio, text; expected text or image"),
        ({"label": [0]}, {}, "columns label; expected text or image"),
        ({"text": ["a"]}, {"precision": "binary"}, 'precision is "binary"; expected "float32"'),
    ],
)
def test_what_cannot_be_embedded_is_refused(
    model: E5V, columns: dict[str, Any], options: dict[str, Any], cause: str
) -> None:
    """Catches half an item embedded for the whole, and float32 rows filed as another precision."""
    with pytest.raises(UsageError, match=cause):
        embed(model, one_batch(**columns), **options)


def test_a_row_that_is_nothing_is_named(model: E5V) -> None:
    """Catches a row left out, after which every vector is another document's."""
    with pytest.raises(ItemError, match="item 1: is empty"):
        embed(model, one_batch(image=[Image.new("RGB", (30, 30)), None]))


def test_a_bar_is_drawn_as_mteb_asks(model: E5V, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches hours of silence, a bar on stdout, and one that cannot be turned off."""
    embed(model, one_batch(text=["a", "b"]))
    assert capsys.readouterr() == ("", "")
    embed(model, one_batch(text=["a", "b"]), show_progress_bar=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "100%" in printed.err


def test_a_name_without_an_organisation_is_refused(model: E5V) -> None:
    """Catches a page of pydantic for a short name."""
    with pytest.raises(UsageError, match='name is "mine"; expected "organisation/model"'):
        MTEBModel(model, name="mine")


def test_without_the_library(model: E5V, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an ImportError for a user who did not install an extra."""
    monkeypatch.setitem(sys.modules, "mteb", None)
    monkeypatch.setitem(sys.modules, "mteb.models", None)
    with pytest.raises(UsageError, match=r"pip install 'e5v\[eval\]'"):
        MTEBModel(model)
