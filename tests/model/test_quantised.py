"""Weights in 8 and 4 bits: smaller, close to the full ones, and the same vectors in any batch."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e5v import E5V, ModelError, UsageError
from e5v.errors import MissingExtraError
from e5v.model.fingerprint import fingerprint
from e5v.model.loading import load
from e5v.model.opening import Weights
from e5v.model.torchao_internals import list_plain

Checkpoints = Callable[[str], Path]
LLAVA = "llava_next_llama3"
WAYS: tuple[tuple[Weights, float], ...] = (("8bit", 0.999), ("4bit", 0.8))
TEXTS = ["A dog runs.", "word " * 30, "The same length.", "Nobody is here, nor was anybody."]
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.mark.parametrize(("way", "least"), WAYS)
def test_vectors_are_close_and_matrices_small(
    way: Weights, least: float, checkpoints: Checkpoints, photos: list[Image.Image]
) -> None:
    """Catches an option that stores everything as before, and one that destroys the model."""
    pytest.importorskip("torchao" if way == "8bit" else "bitsandbytes")
    items: list[Any] = [*TEXTS, *photos, {"image": photos[0], "text": "but blue"}]
    full = E5V(checkpoints(LLAVA), dtype="bfloat16")
    small = E5V(checkpoints(LLAVA), dtype="bfloat16", weights=way)
    ours, theirs = (model.loaded.language_model.layers[0].mlp.up_proj for model in (small, full))
    share = sum(part.nbytes for _, part in list_plain("", ours.weight)) / theirs.weight.nbytes
    assert share <= (0.55 if way == "8bit" else 0.26)
    cosines = (full.encode(items) * small.encode(items)).sum(1)
    assert least < cosines.min() < 0.999999
    assert small.loaded.weights == way


@pytest.mark.parametrize("way", ["8bit", "4bit"])
def test_a_vector_depends_on_its_item_alone(
    way: Weights, checkpoints: Checkpoints, photos: list[Image.Image]
) -> None:
    """Catches columns of outliers, which a neighbour's largest value would choose."""
    pytest.importorskip("torchao" if way == "8bit" else "bitsandbytes")
    model = E5V(checkpoints(LLAVA), dtype="float32", weights=way)
    items: list[Any] = [*TEXTS, photos[0]]
    alone = np.concatenate([model.encode([item]) for item in items])
    together = model.encode([*items[::-1], "a neighbour " * 20])[:-1][::-1]
    assert (alone * together).sum(1).min() > 0.9999


def test_the_way_is_in_the_fingerprint(checkpoints: Checkpoints) -> None:
    """Catches vectors of rounded weights compared with those of full ones."""
    pytest.importorskip("bitsandbytes")
    ways: list[Weights] = ["full", "8bit", "4bit"]
    digests = {fingerprint(load(checkpoints(LLAVA), weights=way)) for way in ways}
    assert len(digests) == 3


@pytest.mark.parametrize("way", ["8bit", "4bit"])
def test_use_changes_neither_weights_nor_fingerprint(
    way: Weights, checkpoints: Checkpoints
) -> None:
    """Catches a library that packs weights anew at first use, and rounds them once more."""
    pytest.importorskip("torchao" if way == "8bit" else "bitsandbytes")
    model = E5V(checkpoints(LLAVA), dtype="bfloat16", weights=way)
    before, first = fingerprint(model.loaded), model.encode(TEXTS)
    assert fingerprint(model.loaded) == before
    assert model.encode(TEXTS).tobytes() == first.tobytes()


def test_what_cannot_be_done_is_said_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a download before one line about an option."""
    monkeypatch.setattr("e5v.model.loading._read_config", None)
    wrong: Any = "2bit"
    with pytest.raises(UsageError, match='weights is "2bit"; expected full, 8bit, 4bit'):
        load("nano-base", weights=wrong)
    needs: dict[Weights, tuple[str, str]] = {
        "8bit": ("torchao", "int8"),
        "4bit": ("bitsandbytes", "qlora"),
    }
    for way, (needed, extra) in needs.items():
        monkeypatch.setattr("e5v.extras.is_installed", lambda library, no=needed: library != no)
        with pytest.raises(MissingExtraError) as caught:
            load("nano-base", weights=way, device="cpu")
        assert str(caught.value) == (
            f"weights {way} needs {needed}, which is not installed; pip install 'e5v[{extra}]'"
        )
    monkeypatch.setattr("e5v.extras.is_installed", lambda _: True)
    with pytest.raises(ModelError, match="nano has an adapter, which is merged into full weights"):
        load("nano", weights="4bit")


def test_the_fingerprint_reads_the_rounded_numbers(checkpoints: Checkpoints) -> None:
    """Catches a digest that sees the outside of a quantised matrix only."""
    pytest.importorskip("torchao")
    loaded = load(checkpoints(LLAVA), weights="8bit", device="cpu")
    before = fingerprint(loaded)
    loaded.language_model.layers[0].mlp.up_proj.weight.qdata[0, 0] += 1
    assert fingerprint(loaded) != before


@pytest.mark.slow
def test_no_code_is_taken_from_the_hub(tmp_path: Path) -> None:
    """Catches compiled code that is downloaded and run where `kernels` happens to be installed."""
    pytest.importorskip("bitsandbytes")
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text("raise SystemExit('code from the hub')")
    code = (
        "from e5v.model.bitsandbytes_internals import import_bitsandbytes as there; there(); "
        "import sys; there(); sys.exit('kernels' in sys.modules)"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
