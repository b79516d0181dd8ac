"""The model that comes with the package, by name: a toy's files in the place of its own."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e5v import E5V
from e5v.checkpoints.merge import fetch, merge
from e5v.errors import ModelError
from e5v.model import bundled
from e5v.model.loading import load
from tests.adapters import write_adapter


@pytest.fixture
def folder(
    checkpoints: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Let the names mean a small random model and an adapter of it."""
    base = copytree(checkpoints("llava_next_llama3"), tmp_path / "nano" / "base")
    write_adapter(tmp_path / "nano" / "adapter", base)
    monkeypatch.setitem(bundled.FOLDERS, "nano", tmp_path / "nano")
    return tmp_path / "nano"


def test_nano_is_the_merged_model_and_nano_base_the_one_before(
    folder: Path, photos: list[Image.Image]
) -> None:
    """A "nano" without its adapter would show the gain of tuning as none at all."""
    both = {"image": photos[1], "text": "in blue"}
    items: list[Any] = ["a dog", "a red car on the left", photos[0], both]
    merge(folder / "adapter", folder.parent / "merged", folder / "base")
    tuned, base = (E5V(name, dtype="float32").encode(items) for name in ("nano", "nano-base"))
    merged = E5V(folder.parent / "merged", dtype="float32").encode(items)
    np.testing.assert_allclose(tuned, merged, atol=1e-5)
    np.testing.assert_allclose(base, E5V(folder / "base", dtype="float32").encode(items), atol=1e-6)
    assert (tuned * base).sum(1).max() < 0.999


def test_a_part_of_nano_is_tuned_like_the_whole(folder: Path) -> None:
    """Opened for its texts alone, it would otherwise make vectors of another model."""
    whole = E5V("nano", dtype="float32").encode(["a dog", "two cats"])
    part = E5V(load("nano", dtype="float32", part="language")).encode(["a dog", "two cats"])
    np.testing.assert_allclose(part, whole, atol=1e-5)
    assert load("nano", dtype="float32", part="vision").part == "vision"


def test_other_names_are_left_alone(folder: Path) -> None:
    """A user's own folder must open as what it is, with no adapter of ours on it."""
    assert bundled.whereabouts("royokong/e5-v") == "royokong/e5-v"
    own = E5V(folder / "base", dtype="float32")
    assert own.loaded.name == str(folder / "base")
    assert E5V("nano-base", dtype="float32").loaded.name == "nano-base"


def test_nothing_is_merged_into_what_is_merged_already(folder: Path) -> None:
    """An adapter made on the base, put onto the tuned model, would be two adapters in one."""
    with pytest.raises(ModelError, match="give nano-base"):
        fetch("nano")
    assert fetch("nano-base") == folder / "base"


def test_a_package_without_its_model_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone with a broken installation is to read one line, not a traceback of the hub's."""
    monkeypatch.setitem(bundled.FOLDERS, "nano", tmp_path / "gone")
    with pytest.raises(ModelError, match="gone"):
        E5V("nano")


def test_a_bundled_model_is_told_of() -> None:
    """Catches a user who looks for photos with a model of emoji, and is not told."""
    for name in ("nano", "nano-base"):
        told = bundled.limits_notice(name) or ""
        for said in ("emoji", "e5v assemble photos", "e5v models"):
            assert said in told
    for name in ("photos", "photos-base"):
        told = bundled.limits_notice(name) or ""
        for said in ("1,000 classes", "first look", "e5v models"):
            assert said in told
    assert bundled.limits_notice("royokong/e5-v") is None


def test_the_page_tells_visitors_of_each_model() -> None:
    """Catches a line for a shell, shown to somebody who has none, and a notice of another model."""
    told = [bundled.visitors_notice(name) or "" for name in ("nano", "photos", "photos-base")]
    assert all(one.startswith("This is a small demonstration model.") for one in told)
    assert not any("e5v" in one for one in told)
    assert ("drawings" in told[0], "drawings" in told[1], told[1] == told[2]) == (True, False, True)
    assert bundled.visitors_notice("royokong/e5-v") is None


def test_each_tuned_model_names_its_base() -> None:
    """Catches "expected nano-base" where photos was asked for."""
    names = {name: bundled.untuned_name(name) for name in (*bundled.NAMES, "royokong/e5-v")}
    assert names == {
        "nano": "nano-base",
        "nano-base": None,
        "photos": "photos-base",
        "photos-base": None,
        "royokong/e5-v": None,
    }


def test_the_cache_is_where_the_user_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a variable that is ignored, and one set to nothing taken for the current folder."""
    monkeypatch.setenv("E5V_CACHE", str(tmp_path))
    assert bundled.photos_folder().parent == tmp_path
    monkeypatch.setenv("E5V_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    usual = bundled.cache_folder()
    assert usual.name == "e5v"
    assert usual.is_absolute()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("E5V_CACHE", "here")
    assert bundled.cache_folder() == tmp_path / "here"
