"""The tiling of transformers 4.41.2 gives that library's vectors, which are stored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import PIL.Image
import pytest
from numpy.typing import NDArray

from e5v import E5V
from e5v.errors import ModelError, UsageError
from e5v.model.fingerprint import fingerprint
from e5v.model.verify import verify
from tests.families import build
from tests.golden.small_llava_next import write_checkpoint
from tests.golden.stand_ins import KINDS, PICTURES, SIZES, draw

RECORD: dict[str, Any] = json.loads(Path(__file__).with_name("transformers_4_41.json").read_text())
LIMIT = 1e-5  # largest absolute difference between two unit vectors
OLD_PILLOW = int(PIL.__version__.partition(".")[0]) < 13  # resizes what is taller than wide anew
SAME_IN_BOTH = {"square", "wide", "tall", "strip"}  # square grids, or nothing left of the tiles
READ_OTHERWISE = {  # by e5v than by Pillow's convert("RGB"), which the official code calls
    "RGBA",
    "grey with alpha",
    "palette with a transparent entry",
    "16-bit grey",
    "12-bit grey",
    "floating-point grey",
}
READ_ALIKE = [name for name in PICTURES if name not in READ_OTHERWISE]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the checkpoint that the stored vectors were made with."""
    return write_checkpoint(tmp_path_factory.mktemp("small_llava_next"))


@pytest.fixture(scope="module")
def model(folder: Path) -> E5V:
    """Open it with the old tiling."""
    return E5V(folder, dtype="float32", device="cpu", tiling="transformers-4.41")


@pytest.fixture(scope="module")
def correct(folder: Path) -> E5V:
    """Open it as any model is opened."""
    return E5V(folder, dtype="float32", device="cpu")


def stored(kind: str, name: str) -> NDArray[np.float64]:
    """Return the stored vector of a text or a picture."""
    return np.array(RECORD[kind][name]["vector"])


def distance(vector: NDArray[np.float32], kind: str, name: str) -> float:
    """Return the largest difference from a stored vector."""
    return float(np.abs(vector - stored(kind, name)).max())


def test_texts_are_those_of_the_official_code(model: E5V) -> None:
    """Catches another prompt, turn or token than the stored vectors were made with."""
    for text in RECORD["texts"]:
        assert len(model.prepare(text).prompted.ids) == RECORD["texts"][text]["length"]
        assert distance(model.encode([text])[0], "texts", text) <= LIMIT


def test_pictures_are_those_of_the_official_code(model: E5V) -> None:
    """Catches any step between pixels and vector that is not 4.41.2's, for each size and kind."""
    vectors = dict(zip(READ_ALIKE, model.encode([draw(name) for name in READ_ALIKE]), strict=True))
    for name, vector in vectors.items():
        tall = OLD_PILLOW and PICTURES[name].height > PICTURES[name].width
        length = len(model.prepare(draw(name)).prompted.ids)
        assert length == RECORD["pictures"][name]["length"], name
        assert distance(vector, "pictures", name) <= (1e-2 if tall else LIMIT), name


@pytest.mark.skipif(OLD_PILLOW, reason="the stored vectors were made with Pillow 13")
def test_the_errors_strike_where_they_should(correct: E5V) -> None:
    """Catches stand-ins that would not notice an error, and errors in the usual tiling."""
    vectors = dict(zip(SIZES, correct.encode([draw(name) for name in SIZES]), strict=True))
    near = {name for name in SIZES if distance(vectors[name], "pictures", name) <= LIMIT}
    assert near == SAME_IN_BOTH
    assert all(
        distance(vectors[name], "pictures", name) > 0.01 for name in SIZES if name not in near
    )


def test_what_is_read_otherwise_is_known(model: E5V) -> None:
    """Catches alpha or high bits that are read in another way than docs/evaluation-data.md says."""
    bare = [PIL.Image.fromarray(np.asarray(draw(name).convert("RGB"))) for name in KINDS]
    vectors = model.encode([*map(draw, KINDS), *bare])
    for name, one, dropped in zip(KINDS, vectors, vectors[len(KINDS) :], strict=False):
        assert distance(dropped, "pictures", name) <= LIMIT, name
        assert (distance(one, "pictures", name) > 0.01) == (name in READ_OTHERWISE), name


def test_alpha_is_on_white_and_high_bits_are_scaled(model: E5V) -> None:
    """Catches colours of invisible pixels, and greys cut off at white, in a vector."""
    faded = draw("RGBA")
    white = PIL.Image.new("RGBA", faded.size, "white")
    shown = PIL.Image.alpha_composite(white, faded).convert("RGB")
    grey = np.asarray(draw("16-bit grey")).astype(np.int64)
    scaled = PIL.Image.fromarray((grey * 255 // grey.max()).astype(np.uint8))
    pairs = model.encode([faded, shown, draw("16-bit grey"), scaled.convert("RGB")])
    assert np.abs(pairs[0] - pairs[1]).max() <= LIMIT
    assert np.abs(pairs[2] - pairs[3]).max() <= LIMIT


def test_a_drawn_caption_has_as_many_tokens_as_4_41_gave_it(model: E5V, correct: E5V) -> None:
    """Catches a count that is not what the vision tower gives: half of a caption was cropped."""
    image = RECORD["pictures"]["drawn caption"]["length"]
    counts = [sum(one.prepare(draw("drawn caption")).prompted.counts) for one in (model, correct)]
    text = image - counts[0]
    assert counts == [16 + 2 * 4 + 2, 16 + 4 * 8 + 4]
    assert len(model.prepare(draw("drawn caption")).prompted.ids) == text + counts[0]


def test_vectors_of_the_two_are_never_mixed(model: E5V, correct: E5V) -> None:
    """Catches a cache or an index that answers for one tiling with vectors of the other."""
    one, other = fingerprint(model.loaded), fingerprint(correct.loaded)
    assert one != other
    assert fingerprint(model.loaded) == one


def test_the_plain_path_agrees(folder: Path) -> None:
    """Catches a tiling that only the quick path has."""
    checks = list(verify(str(folder), dtype="float32", device="cpu", tiling="transformers-4.41"))
    assert [check for check in checks if not check.passed] == []


def test_other_models_have_no_such_tiling(tmp_path: Path, folder: Path) -> None:
    """Catches an option that is ignored, and a misspelt one."""
    qwen = build("qwen2_5_vl", tmp_path / "qwen")
    with pytest.raises(ModelError, match=r"qwen2_5_vl model; .* is for LLaVA-NeXT only") as raised:
        E5V(qwen, tiling="transformers-4.41")
    assert raised.value.argument == "tiling"
    with pytest.raises(UsageError, match=r'tiling is "4\.41"; expected correct or trans'):
        E5V(folder, tiling="4.41")  # type: ignore[arg-type]
