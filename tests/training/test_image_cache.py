"""Image tokens that are kept: within their limits, in memory and on disk."""

from pathlib import Path

import pytest
import torch

from e5v.model.image_inputs import ImageTokens, Pixels
from e5v.training.image_cache import ImageCache, open_cache, size_of


def make_image(number: int, rows: int = 8) -> Pixels:
    """Return an image with tokens of 32 bytes a row, half of them deep."""
    generator = torch.Generator().manual_seed(number)
    tokens, deep = (torch.randn(rows, 4, generator=generator) for _ in range(2))
    grid = {"image_grid_thw": torch.tensor([[1, 2, number]])}
    return Pixels(grid, f"<{number}>", ImageTokens(tokens, (deep,)), bytes([number] * 16))


def _same(one: Pixels | None, other: Pixels) -> bool:
    assert one is not None
    assert one.tokens is not None
    assert other.tokens is not None
    return (
        torch.equal(one.tokens.tokens, other.tokens.tokens)
        and torch.equal(one.tokens.deep[0], other.tokens.deep[0])
        and torch.equal(one.arrays["image_grid_thw"], other.arrays["image_grid_thw"])
        and (one.expansion, one.content) == (other.expansion, other.content)
    )


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def test_memory_is_bounded_and_keeps_what_was_used_last() -> None:
    """A cache that grows with the data, or forgets what every step needs."""
    images = [make_image(n) for n in range(4)]
    cache = ImageCache(3 * size_of(images[0]))
    for image in images[:3]:
        cache.put(image)
        cache.put(image)  # counts once
    assert cache.get(images[0].content) is images[0]
    cache.put(images[3])
    found = [cache.get(image.content) is not None for image in images]
    assert found == [True, False, True, True]
    cache.put(make_image(9, rows=1000))  # larger than all
    assert cache.get(make_image(9).content) is None


def test_the_disk_is_bounded_and_gives_what_was_stored(tmp_path: Path) -> None:
    """A disk that fills up, or tokens that come back as others."""
    images = [make_image(n) for n in range(5)]
    cache = ImageCache(size_of(images[0]), 2 * size_of(images[0]), tmp_path)
    for image in images:
        cache.put(image)
    assert len(_files(tmp_path)) == 2
    assert [cache.get(image.content) is not None for image in images[:2]] == [False, False]
    assert _same(cache.get(images[2].content), images[2])  # now in memory, and 4 is on disk
    assert [cache.get(images[n].content) is not None for n in (3, 4)] == [False, True]
    assert _same(cache.get(images[4].content), images[4])
    assert len(_files(tmp_path)) == 2


def test_a_file_that_is_damaged_is_not_known(tmp_path: Path) -> None:
    """A traceback for a folder of temporary files that was cleaned, or a full disk."""
    cache = ImageCache(0, 1 << 20, tmp_path)
    for number in range(2):
        cache.put(make_image(number))
    removed, damaged = sorted(_files(tmp_path))
    removed.unlink()
    damaged.write_bytes(b"PK")
    assert cache.get(make_image(0).content) is None
    assert cache.get(make_image(1).content) is None
    cache.put(make_image(1))
    assert _same(cache.get(make_image(1).content), make_image(1))


def test_the_files_of_a_run_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gigabytes that a run leaves behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with open_cache(0, 1) as cache:
        assert cache is not None
        cache.put(make_image(1))
        assert len(list(tmp_path.rglob("*.pt"))) == 1
    assert _files(tmp_path) == []
    with open_cache(0, 0) as none:
        assert none is None
    with open_cache(1, 0) as memory:
        assert memory is not None
        memory.put(Pixels({}, "", None))
        assert _files(tmp_path) == []
