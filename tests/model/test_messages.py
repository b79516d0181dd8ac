"""Chat messages and texts that look like images, from the call to the vector and the warning."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from e5v.errors import EncodeWarning, PromptError
from e5v.model.embedder import E5V
from e5v.model.encoded import Encoded, Skipped

USER = {"role": "user", "content": "a cat on a mat"}
SYSTEM = {"role": "system", "content": "Answer in one word."}
EMPTY = {"role": "assistant", "content": [{"type": "text", "text": ""}]}


@pytest.fixture(scope="module")
def model(checkpoints: Callable[[str], Path]) -> E5V:
    """Open a model whose chat template has a system turn."""
    return E5V(checkpoints("qwen2_vl"), device="cpu", dtype="float32")


def test_a_system_turn_reaches_the_template(model: E5V) -> None:
    """Catches a system turn embedded as content, or forgotten: also where only it differs."""
    prepared = model.prepare([SYSTEM, USER])
    text = model.loaded.processor.tokenizer.decode(prepared.prompted.ids)
    assert "<|im_start|>system\nAnswer in one word.<|im_end|>\n<|im_start|>user\na cat on" in text
    assert "helpful" not in text
    with_system, without, empty, other = model.encode(
        [[SYSTEM, USER], [USER], [USER, EMPTY], [{**SYSTEM, "content": "Answer at length."}, USER]]
    )
    plain = model.encode(["a cat on a mat"])[0]
    assert np.allclose(without, plain, atol=1e-6)
    assert np.allclose(empty, plain, atol=1e-6)
    assert np.abs(with_system - plain).max() > 1e-4
    assert np.abs(with_system - other).max() > 1e-4


def test_a_system_turn_is_not_cut_before_the_text(checkpoints: Callable[[str], Path]) -> None:
    """Catches a long text that pushes its instruction out of the prompt."""
    short = E5V(checkpoints("qwen2_vl"), device="cpu", dtype="float32", max_tokens=60)
    prepared = short.prepare([SYSTEM, {"role": "user", "content": "a cat " * 200}])
    text = short.loaded.processor.tokenizer.decode(prepared.prompted.ids)
    assert prepared.cut
    assert "Answer in one word.<|im_end|>" in text


def test_a_family_without_a_system_turn(checkpoints: Callable[[str], Path]) -> None:
    """Catches an error that stops all items, or that does not say which one it is about."""
    paper = E5V(checkpoints("llava_next_llama3"), device="cpu", dtype="float32")
    with pytest.raises(PromptError, match=r"^item 1: the item has a system turn, which .* llama3"):
        paper.encode(["a", [SYSTEM, USER]])
    with pytest.warns(EncodeWarning, match="1 of 2 items skipped"):
        assert len(paper.encode(["a", [SYSTEM, USER]], on_error="skip")) == 1
    assert len(paper.encode([[USER, EMPTY]])) == 1


def test_one_warning_names_texts_that_look_like_images(
    model: E5V, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches paths with a typo embedded as words without a word about it."""
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (64, 64), "red").save("photo.jpg")
    items: list[Any] = [
        "a dog",
        "typo/photo.jpg",
        "photo.jpg\n",
        "https://example.com/x.jpg",
        {"text": "also.jpg"},
        ["nowhere.png", "a part"],
        "see photo.jpg",
    ]
    message = (
        r"^3 of 6 texts look like images: 'typo/photo\.jpg' \(no such file\), "
        r"'https://example\.com/x\.jpg' \(a URL; URLs are not downloaded\), 'nowhere\.png' \("
    )
    expected = model.encode([items[0], Path("photo.jpg")])
    for given in (items, iter(items)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rows = model.encode(given)
        assert len(caught) == 1
        warning = caught[0].message
        assert isinstance(warning, EncodeWarning)
        assert warning.positions == (1, 3, 5)
        assert caught[0].filename == __file__
        with pytest.warns(EncodeWarning, match=message):
            warnings.warn(warning, stacklevel=1)
        assert np.allclose(rows[[0, 2]], expected, atol=1e-5)
    with pytest.warns(EncodeWarning, match=message):
        results = list(model.encode_iter(items))
    assert [bool(one.doubt) for one in results if isinstance(one, Encoded)] == [
        at in {1, 3, 5} for at in range(7)
    ]
    with pytest.warns(EncodeWarning, match="1 of 1 texts look like images: 'typo"):
        model.words("typo.jpg")


def test_a_stream_that_is_left_early_is_quiet(model: E5V) -> None:
    """Catches a warning, or an error, out of a generator that is closed."""
    stream = model.encode_iter(["typo.jpg", "b"])
    first = next(stream)
    assert not isinstance(first, Skipped)
    del stream


def test_a_file_that_is_no_image_is_an_error(model: E5V, tmp_path: Path) -> None:
    """Catches an existing file with an image's suffix embedded as its name."""
    for name in ("page.jpg", "raw.cr2", "photo.heic", "photo.avif"):
        path = tmp_path / name
        path.write_bytes(b"<!DOCTYPE html>")
        with pytest.warns(EncodeWarning, match=f"1 of 2 items skipped: item 1: .*{name} is not"):
            model.encode(["a", f" {path}\n"], on_error="skip")
