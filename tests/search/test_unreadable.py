"""Files and folders that cannot be listed or read for once: their entries stay."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.search.followed import WHOLE, Followed, entries, write_lines


@pytest.fixture(params=[errno.EACCES, errno.ENOTCONN])
def broken(
    request: pytest.FixtureRequest, followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> Iterator[set[str]]:
    """Give names that raise an error of the disk when they are listed, looked at or read."""
    names: set[str] = set()

    def refuse(real: Callable[..., object]) -> Callable[..., object]:
        def call(path: object, *arguments: object, **options: object) -> object:
            if Path(str(path)).name in names:
                raise OSError(request.param, os.strerror(request.param))
            return real(path, *arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("scandir", "stat"):
            patch.setattr(os, name, refuse(getattr(os, name)))
        patch.setattr(Path, "read_bytes", refuse(Path.read_bytes))
        patch.setattr(Path, "read_text", refuse(Path.read_text))
        yield names


@pytest.mark.parametrize("name", ["things", "photos", "deep", "b.jpg"])
def test_what_cannot_be_listed_keeps_its_entries(
    followed: Followed, broken: set[str], name: str
) -> None:
    """Catches entries lost to missing rights, an error of the disk, or a network share's."""
    followed.follow()
    broken.add(name)
    progress = followed.follow()
    assert (progress.changed, followed.given) == (False, [])
    assert len(followed.faults) == 1
    assert f"/{name} cannot be " in followed.faults[0]
    broken.clear()
    assert entries(followed).keys() == WHOLE
    assert not followed.follow().changed
    assert followed.faults == []


@pytest.mark.parametrize("name", ["a.png", "note.md", "lines.jsonl"])
def test_what_cannot_be_read_keeps_its_entries(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Catches entries lost because their file, which was touched, could not be read for once."""
    write_lines(followed.folder / "lines.jsonl", {"text": "one"}, {"text": "two"})
    followed.follow()
    before = entries(followed)
    os.utime(followed.folder / name, (1, 1))

    def refuse(real: Callable[..., object]) -> Callable[..., object]:
        def call(path: Path, *arguments: object, **options: object) -> object:
            if path.name == name:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(path, *arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for method in ("open", "read_bytes", "read_text"):
            patch.setattr(Path, method, refuse(getattr(Path, method)))
        for _ in range(2):
            assert not followed.follow().changed
            assert followed.faults == [
                f"{followed.folder}/{name} cannot be read: Input/output error"
            ]
    assert entries(followed) == before
    assert not followed.follow().changed
    assert (followed.given, followed.faults) == ([], [])
