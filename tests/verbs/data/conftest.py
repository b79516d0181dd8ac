"""What tests of `e5v data` share: small data, and a hub that has them."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from huggingface_hub import constants

from e5v.data.records import RECORDS
from tests.data.file_hub import FileHub, make_small, serve_files
from tests.verbs.data.made import ROWS, datasets, make_files


@pytest.fixture(scope="module")
def files() -> Mapping[str, Mapping[str, bytes]]:
    """Give all data sets of the paper in small."""
    return make_files()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let every record expect small data, of any revision."""
    for name, rows in ROWS.items():
        monkeypatch.setitem(RECORDS, name, make_small(name, rows))  # type: ignore[arg-type]
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def hub(
    files: Mapping[str, Mapping[str, bytes]], small: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FileHub]:
    """Run a hub that has them."""
    with serve_files(files) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        yield running
