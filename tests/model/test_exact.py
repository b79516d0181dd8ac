"""The promise of the package: the plain path's vectors, whatever the batch, for every family."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from numpy.typing import NDArray
from PIL import Image

from e5v import E5V
from e5v.model.prompts import TURNS
from tests.families import FAMILIES, load_processor
from tests.plain import chat_string, plain_vector

TURN_OF = {"llava_next_llama3": "llama3", "llava_next_mistral": "mistral", "llava_15": "vicuna"}
SENTENCE = "Two men in red shirts are playing football near the lake."
Checkpoints = Callable[[str], Path]


@dataclass(frozen=True)
class Case:
    """An item, and the prompt string and images that the plain path is given for it."""

    item: Any
    string: str
    images: tuple[Image.Image, ...]


def _cases(name: str, processor: Any, photos: list[Image.Image]) -> list[Case]:
    """Write every prompt out by hand, so that a wrong wording shows as a wrong vector."""
    first, second, third, wide = photos

    def case(item: Any, *parts: str | Image.Image) -> Case:
        images = tuple(part for part in parts if isinstance(part, Image.Image))
        if name not in TURN_OF:
            return Case(item, chat_string(processor, *parts), images)
        turn = next(turn for turn in TURNS if turn.name == TURN_OF[name])
        marks = [processor.image_token if isinstance(p, Image.Image) else p for p in parts]
        words = "".join(marks)
        words = words.rstrip() if turn.trim else words
        return Case(item, turn.before + words + turn.after, images)

    text, image = "\nSummary above sentence in one word: ", "\nSummary above image in one word: "
    edit = f'Modify this image with "{SENTENCE}", desribe modified image in one word:'
    mixed = "\nSummary above content in one word: "
    return [
        case("A dog runs.", f"A dog runs.{text}"),
        case(SENTENCE, f"{SENTENCE}{text}"),
        *(case(photo, photo, image) for photo in photos),
        case({"image": first, "text": SENTENCE}, first, edit),
        case([SENTENCE, second, "and", third], f"{SENTENCE}\n", second, "\nand\n", third, mixed),
        case([wide, first], wide, "\n", first, mixed),
    ]


def _plain_rows(folder: Path, dtype: str, cases: list[Case]) -> NDArray[np.float32]:
    processor = load_processor(folder)
    auto: Any = transformers.AutoModelForImageTextToText
    model = auto.from_pretrained(folder, dtype=dtype).eval()
    rows = [plain_vector(model, processor, case.string, case.images) for case in cases]
    return np.stack(rows)


def _load_cases(name: str, folder: Path, photos: list[Image.Image]) -> list[Case]:
    return _cases(name, load_processor(folder), photos)


@pytest.mark.parametrize("name", FAMILIES)
def test_vectors_are_the_plain_paths(
    name: str, checkpoints: Checkpoints, photos: list[Image.Image]
) -> None:
    """A vector that differs from the model card's: another pooled token, mask, place or scale."""
    cases = _load_cases(name, checkpoints(name), photos)
    ours = E5V(checkpoints(name), dtype="float32").encode([case.item for case in cases])
    assert np.abs(ours - _plain_rows(checkpoints(name), "float32", cases)).max() <= 1e-5


@pytest.mark.parametrize("name", FAMILIES)
def test_half_precision_is_close(
    name: str, checkpoints: Checkpoints, photos: list[Image.Image]
) -> None:
    """A step of ours that loses precision which the plain path in bfloat16 keeps."""
    cases = _load_cases(name, checkpoints(name), photos)
    ours = E5V(checkpoints(name), dtype="bfloat16").encode([case.item for case in cases])
    theirs = _plain_rows(checkpoints(name), "bfloat16", cases)
    assert (ours * theirs).sum(-1).min() >= 0.999


@pytest.mark.parametrize("name", FAMILIES)
def test_a_vector_depends_on_its_item_alone(
    name: str, checkpoints: Checkpoints, photos: list[Image.Image]
) -> None:
    """A neighbour, an order or a batch size that moves a vector (11 points of recall, once)."""
    model = E5V(checkpoints(name), dtype="float32")
    items = [case.item for case in _load_cases(name, checkpoints(name), photos)]
    items += ["A cat.", "word " * 40, "The same length.", "The same size ok."]
    alone = np.concatenate([model.encode([item]) for item in items])
    shuffle = np.random.default_rng(0).permutation(len(items))
    for batch_tokens in (1, 150, 100_000):
        together = model.encode([items[i] for i in shuffle], batch_tokens=batch_tokens)
        assert np.abs(together - alone[shuffle]).max() <= 1e-5
    beside = model.encode([items[0], "a neighbour " * 30, items[2], photos[3]])
    assert np.abs(beside[[0, 2]] - alone[[0, 2]]).max() <= 1e-5


@pytest.mark.parametrize("name", FAMILIES)
def test_different_items_have_different_vectors(
    name: str, checkpoints: Checkpoints, photos: list[Image.Image]
) -> None:
    """Exactness that is empty because everything collapses onto one vector."""
    rows = E5V(checkpoints(name), dtype="float32").encode(["A dog runs.", SENTENCE, *photos])
    cosines = rows @ rows.T
    assert cosines[~np.eye(len(rows), dtype=bool)].max() < 0.995


@pytest.mark.parametrize("name", ["llava_next_llama3", "qwen3_vl", "llava_next_mistral"])
def test_long_items_in_half_precision(name: str, checkpoints: Checkpoints) -> None:
    """Block-wise attention, which only long sequences in half precision go through."""
    folder, long = checkpoints(name), f"{SENTENCE} " * 40
    case = _load_cases(name, folder, [Image.new("RGB", (30, 30))] * 4)[1]
    case = Case(long.strip(), case.string.replace(SENTENCE, long.strip()), ())
    (ours,) = E5V(folder, dtype="bfloat16").encode([case.item])
    (theirs,) = _plain_rows(folder, "bfloat16", [case])
    assert float(ours @ theirs) >= 0.999
