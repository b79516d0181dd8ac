"""Following folders: what is new is embedded, once; what moved, changed or went follows."""

import json
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from e5v import E5V
from e5v.errors import DataError
from e5v.search import gallery as module
from e5v.search import walking
from e5v.search.index import Entry, Index
from tests.search.conftest import Followed


def entries(followed: Followed) -> dict[tuple[str, int], Entry]:
    """Return every entry by its path in the folder, and part."""
    index = Index.open(followed.index)
    listed = index.entries(index.vectors()[0])
    assert len({(one.path, one.part) for one in listed}) == len(listed) == len(index)
    return {(os.path.relpath(one.path, followed.folder), one.part): one for one in listed}


def check_vectors(followed: Followed) -> None:
    """Compare every vector with what the model says of the file."""
    index = Index.open(followed.index)
    for entry in index.entries(index.vectors()[0]):
        item = Path(entry.path) if entry.kind == "image" else {"text": entry.text}
        vector = index.vector(entry.id)
        assert vector is not None
        np.testing.assert_allclose(vector, followed.model.encode([item])[0], atol=2e-3)


WHOLE = {
    ("a.png", 0),
    ("photos/b.jpg", 0),
    ("photos/deep/c.WEBP", 0),
    *(("note.md", part) for part in (1, 2, 3)),
}


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
    progress = followed.follow()
    assert (progress.embedded, progress.reused, followed.given) == (0, 6, [])
    assert {one.mtime for one in entries(followed).values()} == {1_000_000_000}
    assert not followed.follow().changed


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


def test_what_changed_is_embedded_and_what_went_is_gone(followed: Followed) -> None:
    """Catches an old vector under a new picture, and passages that a text no longer has."""
    followed.follow()
    (followed.folder / "a.png").write_bytes((followed.folder / "photos/b.jpg").read_bytes())
    PIL.Image.new("RGB", (50, 40), "red").save(followed.folder / "photos/b.jpg")
    (followed.folder / "photos/deep/c.WEBP").unlink()
    (followed.folder / "note.md").write_text("\n\n".join(["x" * 600, "w" * 700]))
    progress = followed.follow()
    assert (progress.embedded, progress.removed) == (2, 2)
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
    assert told["blank.txt"] == "holds no text"
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


def test_texts_cut_to_fit_the_model_are_counted(followed: Followed) -> None:
    """Catches a long text of which only the beginning is found, without a word."""
    words = " ".join(f"word{number}" for number in range(30_000))
    write_lines(followed.folder / "long.jsonl", {"text": words}, {"text": "short"})
    progress = followed.follow()
    assert (progress.embedded, progress.cut) == (8, 1)
    assert len(entries(followed)["long.jsonl", 1].text) == 1_000


def write_lines(path: Path, *lines: object) -> None:
    """Write JSON lines; a string is written as it is."""
    told = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(told) + "\n")


def test_json_lines(followed: Followed) -> None:
    """Catches captions that go astray, images that are there twice, and wrong lines unnamed."""
    lines = followed.folder / "all.jsonl"
    write_lines(
        lines,
        {"text": "a line of text"},
        {"image": "photos/b.jpg", "caption": "a strip"},
        "nope",
        {"image": "gone.png", "caption": "not there"},
        {"colour": "red"},
        {"image": str(followed.folder / "a.png")},
    )
    progress = followed.follow()
    assert progress.embedded == 7
    found = entries(followed)
    assert found["photos/b.jpg", 2].text == "a strip"
    assert found["a.png", 6].text == ""
    assert found["all.jsonl", 1].text == "a line of text"
    assert ("photos/b.jpg", 0) not in found
    assert ("a.png", 0) not in found
    [wrong, gone] = sorted(followed.faults)
    assert "line 3 is not JSON" in wrong
    assert "line 5 tells of no text or image (its keys: 'colour')" in wrong
    assert gone == f"{followed.folder}/gone.png (line 4 of {lines}) does not exist"
    assert not followed.follow().changed

    (followed.folder / "gone.png").write_bytes((followed.folder / "a.png").read_bytes())
    assert followed.follow().embedded == 0
    assert ("gone.png", 4) in entries(followed)
    write_lines(lines, {"image": "photos/b.jpg", "caption": "another caption"})
    followed.follow()
    assert followed.given == []
    assert entries(followed)["photos/b.jpg", 1].text == "another caption"
    check_vectors(followed)
    lines.unlink()
    assert followed.follow().embedded == 0
    assert entries(followed).keys() == WHOLE | {("gone.png", 0)}


def test_captions_hold_where_only_the_images_are_followed(followed: Followed) -> None:
    """Catches an image that comes in a second time, without its caption."""
    write_lines(followed.folder / "all.jsonl", {"image": "photos/b.jpg", "text": "a strip"})
    followed.follow()
    assert not followed.follow(followed.folder / "photos").changed
    assert entries(followed)["photos/b.jpg", 1].text == "a strip"


def test_files_of_evaluation_are_no_gallery(followed: Followed) -> None:
    """Catches the words of an edit taken for the caption of the image it starts from."""
    followed.folder.joinpath("edits.jsonl").write_text(
        '{"image": "a.png", "text": "the same in red", "target": "b.jpg"}\n'
    )
    (followed.folder / "images").mkdir()
    (followed.folder / "photos/b.jpg").rename(followed.folder / "images/b.jpg")
    write_lines(followed.folder / "captions.jsonl", {"image": "b.jpg", "text": "a strip"})
    followed.follow()
    found = entries(followed)
    assert found["a.png", 0].text == ""
    assert found["images/b.jpg", 1].text == "a strip"
    assert ["is an edit with a target" in fault for fault in followed.faults] == [True]


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


def test_a_disk_that_is_not_there_empties_nothing(followed: Followed) -> None:
    """Catches an index that is lost because a folder was not mounted."""
    followed.follow()
    aside = followed.folder.rename(followed.folder.with_name("aside"))
    followed.folder.mkdir()
    with pytest.raises(DataError, match=r"holds nothing to index, but 4 files of it .* --emptied"):
        followed.follow()
    assert len(entries(followed)) == 6
    assert followed.follow(emptied=True).removed == 6
    followed.folder.rmdir()
    aside.rename(followed.folder)
    assert followed.follow().embedded == 6
    with pytest.raises(DataError, match="does not exist; check the path"):
        walking.absolute([followed.folder / "nowhere"])
    with pytest.raises(
        DataError, match=r"movie.mp4 cannot be indexed; expected a folder or \.bmp, "
    ):
        walking.absolute([followed.folder / "movie.mp4"])


def test_only_what_is_followed_now_is_compared(followed: Followed) -> None:
    """Catches one folder's files removed when another is indexed."""
    followed.follow(followed.folder / "photos")
    followed.follow(followed.folder / "note.md")
    assert entries(followed).keys() == WHOLE - {("a.png", 0)}
    progress = followed.follow(followed.folder, followed.folder / "photos")
    assert progress.embedded == 1
    assert entries(followed).keys() == WHOLE


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


def test_a_run_without_anything_new_opens_no_model(followed: Followed, model: E5V) -> None:
    """Catches a minute spent on opening a model to find that nothing is to be done."""
    followed.follow()
    (followed.folder / "a.png").unlink()
    from e5v.search.gallery import Gallery
    from e5v.search.query import facts_of
    from e5v.search.writer import writing

    def refuse() -> E5V:
        raise AssertionError("the model was opened")

    with writing(followed.index, lambda: facts_of(model, "small")) as writer:
        *_, last = Gallery(writer, refuse).follow([str(followed.folder)])
    assert last.removed == 1
