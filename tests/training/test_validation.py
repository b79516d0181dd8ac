"""Measuring a model while it is trained."""

import gc
import json
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import e5v.training.validation
from e5v import E5V
from e5v.errors import DataError, ModelError
from e5v.model.loading import Loaded, load
from e5v.model.preparing import Preparer
from e5v.model.prompts import RETRIEVAL
from e5v.retrieval import recall_at, true_ranks
from e5v.training.validation import Measures, Validation
from e5v.training.validation_data import HeldOut

Checkpoints = Callable[[str], Path]
CAPTIONS = ("a red slope", "a tall picture", "a small square", "a wide strip")
TRIPLETS = (
    ("A dog runs.", "An animal moves.", "A dog sleeps."),
    ("Two men play.", "People play.", "Nobody is there."),
    ("A dog runs.", "A dog is outside.", "A dog sleeps."),
    ("People play.", "Two men play.", "A wide strip of land by the sea."),
    ("A cat on a mat.", "An animal moves.", None),
)


@pytest.fixture
def gallery(tmp_path: Path, photos: list[Image.Image]) -> Path:
    """A folder of four captioned photos."""
    lines = []
    for number, (photo, caption) in enumerate(zip(photos, CAPTIONS, strict=True)):
        photo.save(tmp_path / f"{number}.png")
        lines.append(json.dumps({"image": f"{number}.png", "text": [caption, f"{caption}!"]}))
    (tmp_path / "captions.jsonl").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A file of triplets."""
    file = tmp_path / "pairs.jsonl"
    keys = ("anchor", "positive", "negative")
    rows = [dict(zip(keys, triplet, strict=True)) for triplet in TRIPLETS]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The parts of models that are opened from here on, and weak references to them."""
    parts: list[tuple[str, Any]] = []

    def spy(*args: Any, **kwargs: Any) -> Loaded:
        loaded = load(*args, **kwargs)
        parts.append((loaded.part, weakref.ref(loaded.model)))
        return loaded

    monkeypatch.setattr(e5v.training.validation, "load", spy)
    return parts


def _watch(data: Path, folder: Path) -> Validation:
    return Validation.open(data, str(folder), RETRIEVAL, device="cpu", dtype="float32")


def _language(folder: Path) -> E5V:
    return E5V(load(folder, device="cpu", dtype="float32", part="language"))


def _rows(*rows: Sequence[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def _plain_recall(scores: Sequence[Sequence[float]], truth: Sequence[Sequence[bool]]) -> float:
    hits = 0
    for row, true in zip(scores, truth, strict=True):
        best = max(score for score, hit in zip(row, true, strict=True) if hit)
        hits += all(score < best for score, hit in zip(row, true, strict=True) if not hit)
    return hits / len(scores)


@pytest.mark.parametrize("seed", range(20))
def test_recall_is_what_a_loop_finds(seed: int) -> None:
    """Scores compared along the wrong axis, or ties that count as hits."""
    draw = np.random.default_rng(seed)
    scores = draw.integers(0, 4, (6, 9)) / 4  # full of ties
    truth = draw.random((6, 9)) < 0.2
    truth[np.arange(6), draw.integers(0, 9, 6)] = True
    assert recall_at(true_ranks(scores, truth), 1) == _plain_recall(scores.tolist(), truth.tolist())


def test_a_collapsed_model_finds_nothing() -> None:
    """A model that gives one vector for everything, and a recall of 100 %."""
    rows = _rows(*[[0.6, 0.8]] * 3)
    texts = HeldOut.of([("a", "b"), ("c", "d"), ("e", "f")])
    assert Measures.of(texts, rows, rows) == Measures(text_recall=0.0)
    images = HeldOut.of([("a", Path("b")), ("c", Path("d")), ("e", Path("f"))])
    assert Measures.of(images, rows, rows) == Measures(None, 0.0, 0.0, 0.0)


def test_gap_of_vectors_worked_out_by_hand() -> None:
    """A gap that is squared, or an average of distances instead of a distance of averages."""
    images = HeldOut.of([("a", Path("b")), ("c", Path("d"))])
    texts = _rows([1, 0, 0], [0, 1, 0])
    pictures = _rows([0, 0, 1], [0, 1, 0])
    measures = Measures.of(images, texts, pictures)
    assert measures.gap == pytest.approx(np.sqrt(0.5))
    assert (measures.image_recall, measures.caption_recall) == (0.5, 0.5)


def test_an_anchor_is_no_answer_to_itself() -> None:
    """Pairs given both ways round, whose nearest candidate is always the anchor's own text."""
    both_ways = HeldOut.of([("a", "b"), ("b", "a"), ("c", "c"), ("c", "d")])
    rows: dict[object, list[float]] = {
        "a": [1, 0, 0],
        "b": [0.8, 0.6, 0],
        "c": [0, 0, 1],
        "d": [0, 1, 0],
    }
    queries = _rows(*[rows[text] for text in both_ways.queries])
    candidates = _rows(*[rows[text] for text in both_ways.candidates])
    # c is its own answer, as the data says, and is found; a and b find each other, not themselves.
    assert Measures.of(both_ways, queries, candidates).text_recall == 1.0


@pytest.mark.parametrize(
    "family",
    ["llava_next_llama3", "llava_15", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "smolvlm", "gemma3"],
)
def test_two_parts_measure_what_the_whole_model_would(
    checkpoints: Checkpoints, gallery: Path, family: str
) -> None:
    """Image tokens that lose their order, their shape or their deeper layers on the way."""
    folder = checkpoints(family)
    measures = _watch(gallery, folder).measure(_language(folder))
    whole = E5V(folder, device="cpu", dtype="float32")
    captions = whole.encode([text for caption in CAPTIONS for text in (caption, f"{caption}!")])
    images = whole.encode([gallery / f"{number}.png" for number in range(4)])
    truth = np.arange(8)[:, None] // 2 == np.arange(4)
    scores = captions @ images.T
    gap = np.linalg.norm(captions.mean(0) - images.mean(0))
    assert measures.text_recall is None
    assert measures.image_recall == _plain_recall(scores.tolist(), truth.tolist())
    assert measures.caption_recall == _plain_recall(scores.T.tolist(), truth.T.tolist())
    assert measures.gap == pytest.approx(gap, abs=1e-5)
    assert gap > 1e-3


def test_text_recall_is_the_models(checkpoints: Checkpoints, pairs: Path) -> None:
    """Vectors of another prompt, of another order, or of the wrong texts."""
    folder = checkpoints("llava_next_llama3")
    measures = _watch(pairs, folder).measure(_language(folder))
    model = E5V(folder, device="cpu", dtype="float32")
    anchors = ["A dog runs.", "Two men play.", "People play.", "A cat on a mat."]
    found = dict.fromkeys(text for _, *rest in TRIPLETS for text in rest if text)
    scores, truth = [], []
    for anchor in anchors:
        others = [text for text in found if text != anchor]
        scores.append((model.encode([anchor]) @ model.encode(others).T)[0].tolist())
        truth.append([any(row[:2] == (anchor, text) for row in TRIPLETS) for text in others])
    hits = [_plain_recall([row], [true]) for row, true in zip(scores, truth, strict=True)]
    assert measures == Measures(text_recall=float(np.mean(hits)))


def test_the_tower_is_opened_once_and_let_go(
    checkpoints: Checkpoints, gallery: Path, opened: list[tuple[str, Any]]
) -> None:
    """A vision tower, or pixels, that take memory all through the training."""
    folder = checkpoints("llava_next_llama3")
    watch = _watch(gallery, folder)
    assert [part for part, _ in opened] == ["vision"]
    gc.collect()
    assert opened[0][1]() is None
    images = [image for one in watch._candidates for image in one.prompted.images]
    assert [image.arrays for image in images] == [{}] * 4
    watch.measure(_language(folder))
    assert len(opened) == 1


def test_texts_need_no_tower(
    checkpoints: Checkpoints, pairs: Path, opened: list[tuple[str, Any]]
) -> None:
    """A vision tower that is read for texts."""
    folder = checkpoints("llava_next_llama3")
    _watch(pairs, folder).measure(_language(folder))
    assert opened == []


def test_a_change_is_seen_and_items_are_prepared_once(
    checkpoints: Checkpoints, gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors remembered from an earlier step; or images that are opened at each."""
    folder = checkpoints("llava_next_llama3")
    watch, model = _watch(gallery, folder), _language(folder)
    before = watch.measure(model)
    monkeypatch.setattr(Preparer, "prepare", None)
    assert watch.measure(model) == before
    with torch.no_grad():
        model.loaded.language_model.layers[0].mlp.down_proj.weight.add_(0.5)
    after = watch.measure(model)
    assert after.gap != pytest.approx(before.gap, abs=1e-4)


def test_training_does_not_notice(checkpoints: Checkpoints, gallery: Path) -> None:
    """Dropout in a measurement; a model left in another mode; another random number after it."""
    folder = checkpoints("llava_next_llama3")
    watch, model = _watch(gallery, folder), _language(folder)
    layers = model.loaded.language_model.layers
    model.loaded.model.train()
    layers[1].eval()
    modes = [module.training for module in model.loaded.model.modules()]
    seen: list[bool] = []
    layers[0].register_forward_pre_hook(lambda module, _: seen.append(module.training))
    random = torch.get_rng_state()
    watch.measure(model)
    assert seen
    assert not any(seen)
    assert [module.training for module in model.loaded.model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)


def test_gradients_are_the_same_after_it(checkpoints: Checkpoints, pairs: Path) -> None:
    """Something kept from a pass without gradients that a pass with gradients trips over."""
    folder = checkpoints("llava_next_llama3")
    watch, model = _watch(pairs, folder), _language(folder)
    weight = model.loaded.language_model.layers[0].mlp.down_proj.weight.requires_grad_()
    prompted = [model.prepare(text).prompted for text in ("A dog runs.", "A cat.")]

    def gradient() -> torch.Tensor:
        states = model.encoder.states(prompted)
        (found,) = torch.autograd.grad(states.square().mean(), [weight])
        return found

    before = gradient()
    watch.measure(model)
    assert torch.equal(gradient(), before)


def test_a_broken_image_is_named(checkpoints: Checkpoints, gallery: Path) -> None:
    """A run that ends hours later in an exception of Pillow's."""
    (gallery / "2.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"held-out image cannot be used: .*2\.png is not an image"):
        _watch(gallery, checkpoints("llava_next_llama3"))


def test_a_family_that_cannot_be_parted(checkpoints: Checkpoints, gallery: Path) -> None:
    """Figures of images that the model never saw."""
    with pytest.raises(ModelError, match="vision tower cannot be run separately"):
        _watch(gallery, checkpoints("llava_onevision"))
