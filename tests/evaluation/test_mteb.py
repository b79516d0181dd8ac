"""Real tasks of mteb on small data of our own score as our own metrics do.

rows made here -> a task of mteb's own kinds -> mteb.evaluate -> its scores against our metrics'
"""

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e5v import E5V, Prompt
from e5v.evaluation.metrics import average_precision, cosines, places, spearman
from e5v.evaluation.mteb import MTEBModel
from e5v.evaluation.tasks import Relevance
from e5v.inputs import RawItem
from e5v.model.prompts import RETRIEVAL
from e5v.retrieval import recall_at

mteb = pytest.importorskip("mteb", reason="the extra `eval` is not installed")

from datasets import Dataset, DatasetDict  # noqa: E402  after the skip
from mteb.abstasks.sts import AbsTaskSTS  # noqa: E402

from tests.evaluation.own_tasks import (  # noqa: E402
    CUTOFFS,
    Overheard,
    Rows,
    Vectors,
    metadata,
    scores_of,
    search,
)

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
CLOSE = 1e-5  # of the items of one batch, to those of another


def assert_as_ours(
    scores: Mapping[str, float], queries: Vectors, corpus: Vectors, relevance: Relevance
) -> None:
    """Compare mteb's scores with our metrics of the same vectors."""
    found = places(queries, corpus, relevance)
    ours = {f"hit_rate_at_{k}": recall_at(found, k) for k in CUTOFFS}
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
    relevance = Relevance([[0], [1], [2, 7], [3], [4], [8]])
    wrapped = Overheard(model)
    scores = scores_of(
        wrapped,
        search(
            metadata("OwnTexts", "Retrieval", "t2t", modalities=["text"]),
            [{"text": text} for text in asked],
            corpus,
            relevance,
        ),
    )
    texts: list[RawItem] = [{"text": text} for text in (*asked, f"Cats {TEXTS[0]}", *TEXTS[1:])]
    vectors = model.encode([*texts, {"text": "cat.png"}])
    queries, found = wrapped.side("query"), wrapped.side("document")
    np.testing.assert_allclose(queries, vectors[:6], atol=CLOSE)
    np.testing.assert_allclose(found[:9], vectors[6:], atol=CLOSE)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    assert_as_ours(scores, queries, found, relevance)


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
    relevance = Relevance([[n, (n + 3) % 8] if n % 2 else [n] for n in range(8)])
    wrapped = Overheard(model)
    scores = scores_of(
        wrapped, search(metadata("OwnPhotos", "Any2AnyRetrieval", category), *sides, relevance)
    )
    vectors = {"t": model.encode(TEXTS), "i": model.encode(drawn)}
    queries, found = vectors[category[0]], vectors[category[-1]]
    np.testing.assert_allclose(wrapped.side("query"), queries, atol=CLOSE)
    np.testing.assert_allclose(wrapped.side("document"), found, atol=CLOSE)
    assert_as_ours(scores, queries, found, relevance)


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
    relevance = Relevance([[(n + 1) % 8] for n in range(8)])
    described = metadata(
        "CIRRIT2IRetrieval", "Any2AnyRetrieval", "it2i", prompt={"query": "Find the image."}
    )
    wrapped = Overheard(model)
    scores = scores_of(wrapped, search(described, rows, images, relevance))
    queries, found = model.encode(edits), model.encode(drawn, prompt="cirr")
    np.testing.assert_allclose(wrapped.side("query"), queries, atol=CLOSE)
    np.testing.assert_allclose(wrapped.side("document"), found, atol=CLOSE)
    assert abs(found - model.encode(drawn)).max() > 100 * CLOSE
    assert_as_ours(scores, queries, found, relevance)


def test_illustrated_documents_are_not_asked_as_edits(model: E5V, drawn: list[bytes]) -> None:
    """Catches a page that "modifies" its picture, and a missing half that ends the run."""
    texts = [*TEXTS[:6], "", "last"]
    files = [*drawn[:7], None]
    corpus = [
        {"image": {"bytes": one, "path": None} if one else None, "text": text}
        for one, text in zip(files, texts, strict=True)
    ]
    relevance = Relevance([[(n * 3) % 8] for n in range(6)])
    wrapped = Overheard(model)
    described = metadata("OwnPages", "Any2AnyRetrieval", "it2it")
    scores = scores_of(wrapped, search(described, corpus[:6], corpus, relevance))
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
    scores_of(wrapped, search(described, rows, rows, Relevance([[0]] * 7)))
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
    task = search(described, texts, images, Relevance([[n] for n in range(8)]))
    kept = mteb.ResultCache(tmp_path)
    for one in (plain, plain, wrapped):
        scores_of(one, task, kept)
    assert len(plain.heard) == 2  # a second run finds the first one's results
    np.testing.assert_allclose(wrapped.side("query"), model.encode(TEXTS, prompt=mine), atol=CLOSE)
    stored = [file.read_text() for file in tmp_path.rglob("model_meta.json")]
    assert sorted("Its mood in one word" in one for one in stored) == [False, True]
