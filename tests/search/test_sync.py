"""Following folders: what is new is embedded, once; what moved, changed or went follows."""

import os
import pickle
from dataclasses import replace

import PIL.Image
import pytest

from e5v import E5V
from e5v.search import pending as module
from tests.search.followed import WHOLE, Followed, check_vectors, entries, write_lines


def test_a_folder_is_indexed_whole(followed: Followed) -> None:
    """Catches a file left out, a hidden one let in, and a record that says the wrong thing."""
    progress = followed.follow()
    assert (progress.embedded, progress.reused, progress.removed) == (6, 0, 0)
    assert progress.total == progress.done == 6
    found = entries(followed)
    assert found.keys() == WHOLE
    check_vectors(followed)
    photo, note = found["photos/b.jpg", 0], found["note.md", 2]
    told = (followed.folder / "photos/b.jpg").stat()
    assert (photo.kind, photo.size, photo.mtime) == ("image", told.st_size, told.st_mtime_ns)
    assert (photo.width, photo.height) == (40, 90)
    assert 0 < len(photo.thumbnail) <= 20_000
    assert (note.kind, note.text, note.thumbnail) == ("text", "y" * 600, b"")
    assert (note.width, note.height) == (0, 0)
    assert followed.faults == []


def test_what_is_there_is_not_embedded_again(followed: Followed) -> None:
    """Catches a second run that does the work of the first."""
    followed.follow()
    progress = followed.follow()
    assert (progress.changed, progress.unchanged, followed.given) == (False, 4, [])
    for path in followed.folder.rglob("*.*"):
        os.utime(path, (1, 1))  # touched, and as it was
    before = entries(followed)
    progress = followed.follow()
    assert (progress.changed, followed.given) == (False, [])
    assert entries(followed) == {key: replace(one, mtime=10**9) for key, one in before.items()}
    assert followed.follow().unchanged == 4


def test_what_moved_or_was_copied_keeps_its_vector(followed: Followed) -> None:
    """Catches a folder renamed, and all its photos embedded once more."""
    followed.follow()
    (followed.folder / "photos").rename(followed.folder / "pictures")
    (followed.folder / "copy.png").write_bytes((followed.folder / "a.png").read_bytes())
    before = entries(followed)
    progress = followed.follow()
    assert (progress.embedded, progress.reused, progress.removed) == (0, 3, 2)
    found = entries(followed)
    assert found.keys() == {
        ("a.png", 0),
        ("copy.png", 0),
        ("pictures/b.jpg", 0),
        ("pictures/deep/c.WEBP", 0),
        *(("note.md", part) for part in (1, 2, 3)),
    }
    moved = found["pictures/b.jpg", 0]
    assert moved.thumbnail == before["photos/b.jpg", 0].thumbnail
    assert (moved.width, moved.height) == (40, 90)
    check_vectors(followed)


def test_what_waits_for_a_commit_is_small(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches the bytes of a thousand photos kept in memory until all are written."""
    photo = followed.folder / "a.png"
    photo.write_bytes(photo.read_bytes() + bytes(1_000_000))
    commit = module.CommitQueue.commit
    sizes: list[int] = []

    def measured(queue: module.CommitQueue) -> list[int]:
        sizes.extend(len(pickle.dumps(replace(one, picture=None))) for one in queue._pending)
        return commit(queue)

    monkeypatch.setattr(module.CommitQueue, "commit", measured)
    followed.follow()
    photo.rename(photo.with_name("moved.png"))
    assert followed.follow().reused == 1
    assert len(sizes) == 7
    assert max(sizes) < 10_000


def test_what_changed_is_embedded_and_what_went_is_gone(followed: Followed) -> None:
    """Catches an old vector under a new picture, and passages that a text no longer has."""
    followed.follow()
    (followed.folder / "a.png").write_bytes((followed.folder / "photos/b.jpg").read_bytes())
    PIL.Image.new("RGB", (50, 40), "red").save(followed.folder / "photos/b.jpg")
    (followed.folder / "photos/deep/c.WEBP").unlink()
    (followed.folder / "note.md").write_text("\n\n".join(["x" * 600, "w" * 700]))
    progress = followed.follow()
    assert (progress.embedded, progress.removed, progress.offline) == (2, 1, 1)
    assert len(followed.given) == 2  # the red picture and w; a.png has the vector that b.jpg had
    assert entries(followed).keys() == {
        ("a.png", 0),
        ("photos/b.jpg", 0),
        ("note.md", 1),
        ("note.md", 2),
    }
    check_vectors(followed)
    assert not followed.follow().changed


def test_two_files_change_places(followed: Followed) -> None:
    """Catches a vector that is looked for where it was, after something else came there."""
    followed.follow()
    a, b, c = (followed.folder / name for name in ("a.png", "photos/b.jpg", "c"))
    a.rename(c)
    b.rename(a)
    c.rename(b)
    os.utime(a, (5, 5))
    os.utime(b, (5, 5))
    progress = followed.follow()
    assert progress.reused + progress.embedded == 2
    check_vectors(followed)


def test_an_interrupted_run_goes_on(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches work done twice after an interruption, and parts of a file left out for ever."""
    monkeypatch.setattr(module, "COMMIT_ROWS", 2)
    write_lines(followed.folder / "many.jsonl", *({"text": f"text {n}"} for n in range(8)))
    steps = followed.steps()
    while next(steps).embedded < 3:  # in the midst of many.jsonl
        pass
    steps.close()
    first = len(entries(followed))
    assert 3 <= first < 14
    progress = followed.follow()
    assert progress.embedded == 14 - first
    assert entries(followed).keys() == WHOLE | {("many.jsonl", part) for part in range(1, 9)}
    check_vectors(followed)


def test_only_what_is_followed_now_is_compared(followed: Followed) -> None:
    """Catches one folder's files removed when another is indexed."""
    followed.follow(followed.folder / "photos")
    followed.follow(followed.folder / "note.md")
    assert entries(followed).keys() == WHOLE - {("a.png", 0)}
    progress = followed.follow(followed.folder, followed.folder / "photos")
    assert progress.embedded == 1
    assert entries(followed).keys() == WHOLE


def test_a_run_without_anything_new_opens_no_model(followed: Followed, model: E5V) -> None:
    """Catches a minute spent on opening a model to find that nothing is to be done."""
    followed.follow()
    (followed.folder / "a.png").unlink()
    from e5v.search.index_model import manifest_of
    from e5v.search.sync import FolderSync
    from e5v.search.writer import writing

    def refuse() -> E5V:
        raise AssertionError("the model was opened")

    with writing(followed.index, lambda: manifest_of(model, "small")) as writer:
        *_, last = FolderSync(writer, refuse).follow([str(followed.folder)])
    assert last.offline == 1
