"""Writing: the whole file or the one before it, and nothing else in the folder."""

import errno
import os
from pathlib import Path

import pytest

from e5v.files import replacing, write_file


@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_the_old_file_stands_until_the_new_one_is_whole(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    """Catches half a file in place of a whole one, and one that is left beside it."""
    target = tmp_path / "report.json"
    write_file(target, "old")
    with pytest.raises(failure), replacing(target) as part:  # noqa: PT012
        part.write_text("ne")
        assert part.parent == target.parent
        raise failure
    assert (target.read_text(), list(tmp_path.iterdir())) == ("old", [target])
    write_file(target, "né")
    assert (target.read_bytes(), list(tmp_path.iterdir())) == ("né".encode(), [target])


def test_two_processes_write_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a file with lines of two processes, or one that the other has removed."""
    target = tmp_path / "report.json"
    with replacing(target) as ours:
        ours.write_text("ours")
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(os, "getpid", lambda: 0)
            write_file(target, "theirs")
        assert target.read_text() == "theirs"
    assert target.read_text() == "ours"


def test_others_may_read_what_they_may_always_read(tmp_path: Path) -> None:
    """Catches the rights of a temporary file, which its owner alone can read."""
    (tmp_path / "plain").touch()
    write_file(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("number", [0, errno.EINVAL])
def test_the_content_is_on_the_disk_before_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Catches an empty file after a power cut, and a network share that cannot be written to."""
    target = tmp_path / "report.json"
    seen: list[tuple[int, bool]] = []

    def fsync(descriptor: int) -> None:
        seen.append((os.fstat(descriptor).st_ino, target.exists()))
        if number:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    write_file(target, "new")
    assert seen == [(target.stat().st_ino, False), (tmp_path.stat().st_ino, True)]
