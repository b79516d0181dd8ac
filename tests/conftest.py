"""What tests share: no network, few threads, small checkpoints built once, photos to look at."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import that reads it
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from tests.families import build
from tests.store_server import KEYS, Bucket, Faults, make_bucket, serve_faults, serve_store
from tests.warm_python import replacing, serving

if TYPE_CHECKING:
    from tests.checkpoints.small_photos import Small

torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)

SIZES = ((64, 48), (40, 90), (30, 30), (200, 50))  # width, height in pixels


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files with slow tests first: at the end, no worker waits long for the other."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the small checkpoint of a family by its name, written at the first call."""
    root = tmp_path_factory.mktemp("checkpoints")

    @cache
    def checkpoint(name: str) -> Path:
        return build(name, root / name)

    return checkpoint


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give an interpreter that has imported torch and transformers; all workers share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_TESTRUNUID" in os.environ else base) / "warm"
    folder.mkdir(exist_ok=True)
    with serving(folder) as interpreter:
        yield interpreter


@pytest.fixture
def warm(warm_python: Path) -> Iterator[None]:
    """Start processes of this test, and of e5v in it, with that interpreter."""
    with replacing(warm_python):
        yield


@pytest.fixture(scope="session")
def photos_parts(tmp_path_factory: pytest.TempPathFactory) -> "Small":
    """Give small random parts of the model "photos", made once."""
    from tests.checkpoints.small_photos import make_small

    return make_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def small(photos_parts: "Small", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Small":
    """Let "photos" mean a small model, which is not assembled yet."""
    monkeypatch.setenv("E5V_CACHE", "")  # so that it is restored
    photos_parts.use(tmp_path / "cache", monkeypatch.setattr)
    return photos_parts


def _photo(width: int, height: int, *, seed: int) -> Image.Image:
    across = np.linspace(0, 160, width)[None, :, None]
    down = np.linspace(0, 90, height)[:, None, None]
    tint = np.array([1.0, 0.3 + 0.2 * seed, 1.2 - 0.3 * seed])
    noise = np.random.default_rng(seed).normal(0, 25, (height, width, 3))
    pixels = np.clip((across + down) * tint + noise, 0, 255).astype(np.uint8)
    photo = Image.fromarray(pixels)
    draw = ImageDraw.Draw(photo)
    draw.ellipse((width // 8, height // 8, width // 2, height // 2), fill=(250, 60 * seed, 20))
    draw.rectangle((width // 2, height // 2, width - 4, height - 6), fill=(20, 200, 70 * seed))
    return photo


@pytest.fixture(scope="session")
def photos() -> list[Image.Image]:
    """Four RGB photos of different shapes: landscape, portrait, square and a wide strip."""
    return [_photo(width, height, seed=seed) for seed, (width, height) in enumerate(SIZES)]


@pytest.fixture(scope="session")
def store_endpoint() -> Iterator[str]:
    """Run an S3-compatible server for the session."""
    with serve_store() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(store_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Give a new bucket on that server, which the environment names."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", store_endpoint)
    return make_bucket(store_endpoint)


@pytest.fixture
def faults(
    bucket: Bucket, store_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Faults]:
    """Have all requests after this one go through a proxy that can fail."""
    del bucket  # made before
    with serve_faults(store_endpoint) as faults:
        monkeypatch.setenv("AWS_ENDPOINT_URL", faults.endpoint)
        yield faults
