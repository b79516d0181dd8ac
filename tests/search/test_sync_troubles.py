"""Following folders of which something cannot be read, listed or named, or is gone for once."""

import os
from pathlib import Path

import PIL.Image
import pytest

from e5v.errors import DataError
from e5v.search import scan
from tests.search.followed import WHOLE, Followed, entries, write_lines


def test_unreadable_files_are_told_and_tried_again_only_when_they_change(
    followed: Followed,
) -> None:
    """Catches a broken file that ends the run, hides, or is tried at every run for ever."""
    broken = {
        "broken.jpg": b"not an image",
        "cut.png": (followed.folder / "a.png").read_bytes()[:300],
        "empty.gif": b"",
        "latin.txt": "caf\xe9".encode("latin-1"),
        "blank.txt": b" \n",
    }
    for name, content in broken.items():
        (followed.folder / name).write_bytes(content)
    progress = followed.follow()
    assert progress.embedded == 6
    assert len(followed.faults) == 5
    told = {Path(fault.split(" ", 1)[0]).name: fault.split(" ", 1)[1] for fault in followed.faults}
    assert told["broken.jpg"] == "is not an image of a known format"
    assert told["empty.gif"] == "is empty (0 bytes)"
    assert told["latin.txt"] == "is not UTF-8 text (byte 3); save it as UTF-8"
    assert told["blank.txt"] == "contains no text"
    first = followed.faults
    assert not followed.follow().changed
    assert (followed.given, followed.faults) == ([], first)
    (followed.folder / "broken.jpg").write_bytes((followed.folder / "photos/b.jpg").read_bytes())
    (followed.folder / "cut.png").unlink()
    assert followed.follow().reused == 1
    assert len(followed.faults) == 3
    assert ("broken.jpg", 0) in entries(followed)


def test_a_file_that_breaks_is_no_longer_found(followed: Followed) -> None:
    """Catches the old picture found under a name that now holds rubbish."""
    followed.follow()
    (followed.folder / "a.png").write_bytes(b"rubbish")
    assert followed.follow().removed == 1
    assert entries(followed).keys() == WHOLE - {("a.png", 0)}
    assert len(followed.faults) == 1


def test_what_cannot_be_followed(followed: Followed) -> None:
    """Catches a mistyped folder taken for one that is away, and a film to index."""
    with pytest.raises(DataError, match="does not exist; check the path"):
        scan.absolute([followed.folder / "nowhere"])
    known = [str(followed.folder / "nowhere")]
    assert scan.absolute([followed.folder / "nowhere"], known=known) == tuple(known)
    with pytest.raises(
        DataError, match=r"sound.mp3 cannot be indexed; expected a folder or \.apng, "
    ):
        scan.absolute([followed.folder / "sound.mp3"])


def test_only_files_are_read(followed: Followed) -> None:
    """Catches a run that waits for ever for what comes out of a pipe."""
    os.mkfifo(followed.folder / "pipe.png")
    (followed.folder / "link.png").symlink_to(followed.folder / "pipe.png")
    found = [one for one in scan.walk(str(followed.folder)) if isinstance(one, scan.FoundFile)]
    assert {Path(one.path).name for one in found} == {"a.png", "b.jpg", "c.WEBP", "note.md"}
    with pytest.raises(DataError, match=r"pipe.png cannot be indexed; expected a folder or"):
        scan.absolute([followed.folder / "pipe.png"])
    write_lines(followed.folder / "lines.jsonl", {"image": "pipe.png"}, {"image": "photos"})
    followed.follow()
    told = f"(line 1 of {followed.folder}/lines.jsonl) cannot be read: Not a regular file"
    assert followed.faults[0] == f"{followed.folder}/pipe.png {told}"
    assert followed.faults[1].endswith("cannot be read: Is a directory")


def test_a_folder_that_cannot_be_listed_keeps_its_entries(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches entries removed because their folder could not be looked into for once."""
    followed.follow()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert not followed.follow().changed
    assert followed.faults == [f"{followed.folder}/photos/deep cannot be listed: Permission denied"]


def test_odd_names(followed: Followed) -> None:
    """Catches a name, or a link, on which a run falls over."""
    PIL.Image.new("RGB", (9, 9), "blue").save(followed.folder / "it's \n \u732b.png")
    Path(os.fsdecode(os.fsencode(followed.folder) + b"/\xff.png")).write_bytes(b"x")
    (followed.folder / "loop").symlink_to(followed.folder)
    (followed.folder / "loop.png").symlink_to(followed.folder)
    (followed.folder / "dangling.png").symlink_to(followed.folder / "nowhere")
    (followed.folder / "link.png").symlink_to(followed.folder / "photos/b.jpg")
    progress = followed.follow()
    assert progress.embedded == 8
    assert ("link.png", 0) in entries(followed)
    assert ("it's \n \u732b.png", 0) in entries(followed)
    assert len(followed.faults) == 2
    assert not followed.follow().changed
