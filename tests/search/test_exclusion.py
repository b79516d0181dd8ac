"""Patterns of what is left out of a followed folder."""

import shutil
import unicodedata
from pathlib import Path

import PIL.Image
import pytest

from e5v.errors import UsageError
from e5v.search.exclusion import Exclusion
from e5v.search.index import Index
from e5v.search.index_model import manifest_of
from e5v.search.manifest import read_manifest
from e5v.search.writer import writing
from tests.search.followed import WHOLE, Followed, entries

CASES = [
    ("*.mov", "a.mov", True),
    ("*.mov", "deep/er/a.MOV", True),
    ("*.mov", "a.mov.txt", False),
    ("raw", "raw/a.png", True),
    ("raw", "2019/raw/b/a.png", True),
    ("raw", "2019/raw", True),
    ("raw", "straw/a.png", False),
    ("raw/", "2019/raw/a.png", True),
    ("raw/", "2019/raw", False),
    ("/raw", "raw/a.png", True),
    ("/raw", "2019/raw/a.png", False),
    ("2019/raw", "2019/raw/a.png", True),
    ("2019/raw", "old/2019/raw/a.png", False),
    ("2019/*.png", "2019/a.png", True),
    ("2019/*.png", "2019/raw/a.png", False),
    ("**/raw/*.png", "raw/a.png", True),
    ("**/raw/*.png", "x/y/raw/a.png", True),
    ("2019/**", "2019/x/a.png", True),
    ("2019/**/a.png", "2019/a.png", True),
    ("2019/**/a.png", "2019/x/y/a.png", True),
    ("img_[0-9]?.jpg", "img_12.jpg", True),
    ("img_[!0-9].jpg", "img_1.jpg", False),
    ("img_[!0-9].jpg", "img_x.jpg", True),
    ("a+b (1).jpg", "a+b (1).jpg", True),
    ("a.b", "axb", False),
    ("[", "[", True),
    ("a[]", "a[]", True),
    ("a[!]", "a[!]", True),
    ("a[]b]", "a]", True),
    ("a[a&&b]", "a&", True),
    ("a[a||b]", "a|", True),
    (r"a[\d]", "a1", False),
    (r"a[\d]", "ad", True),
    ("a[+-9]b", "a/b", False),
    (unicodedata.normalize("NFD", "café"), unicodedata.normalize("NFC", "café/a.png"), True),
    (unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café/a.png"), True),
]


@pytest.mark.parametrize(("pattern", "path", "out"), CASES)
def test_patterns(pattern: str, path: str, *, out: bool) -> None:
    """Catches a pattern that lets in what it should leave out, or the reverse."""
    assert Exclusion((pattern,)).covers(f"/photos/{path}", "/photos") == out
    assert Exclusion(("other", pattern, "x/y")).covers(f"/photos/{path}", "/photos") == out


@pytest.mark.parametrize("pattern", ["", " ", "/", "!keep.png", "img_[9-0].jpg", "[z-a]"])
def test_patterns_that_mean_nothing(pattern: str) -> None:
    """Catches a pattern that leaves out all, is read as its opposite, or ends in a traceback."""
    with pytest.raises(UsageError, match="the pattern"):
        Exclusion((pattern,))


def exclude(followed: Followed, *patterns: str) -> None:
    """Have the index leave out what matches."""
    with writing(followed.index, lambda: manifest_of(followed.model, "small")) as writer:
        writer.remember(exclude=patterns)


def test_what_is_excluded_is_left_out_and_removed(followed: Followed) -> None:
    """Catches entries of a folder that was excluded after it was indexed."""
    followed.follow()
    exclude(followed, "deep/", "note.*")
    progress = followed.follow()
    assert (progress.removed, progress.offline) == (4, 0)
    assert entries(followed).keys() == {("a.png", 0), ("photos/b.jpg", 0)}
    assert followed.left_out == {".mp3": 1}
    exclude(followed, "*.mp3")
    assert followed.follow().embedded == 4
    assert entries(followed).keys() == WHOLE
    assert followed.left_out == {}


def test_what_is_missing_and_excluded_is_removed(followed: Followed) -> None:
    """Catches offline entries of what the user does not want in the index at all."""
    followed.follow()
    (followed.folder / "photos").rename(followed.folder.with_name("aside"))
    assert followed.follow().offline == 2
    exclude(followed, "photos")
    assert followed.follow().removed == 2
    assert Index.open(followed.index).offline == 0


def test_patterns_begin_at_each_followed_folder(followed: Followed) -> None:
    """Catches a folder that was named itself and is left out as a part of another."""
    exclude(followed, "photos")
    followed.follow()
    assert ("photos/b.jpg", 0) not in entries(followed)
    followed.follow(followed.folder, followed.folder / "photos")
    assert entries(followed).keys() == WHOLE
    followed.follow()
    assert entries(followed).keys() == WHOLE


def test_a_root_is_followed_no_more(followed: Followed) -> None:
    """Catches entries that stay when their folder is unfollowed, and others removed with them."""
    roots = followed.folder / "photos", followed.folder / "photos/deep", followed.folder / "note.md"
    followed.follow(*roots)
    with writing(followed.index, lambda: manifest_of(followed.model, "small")) as writer:
        writer.unfollow([str(roots[0])])
    assert followed.follow(*roots[1:]).removed == 1
    assert ("photos/deep/c.WEBP", 0) in entries(followed)
    with writing(followed.index, lambda: manifest_of(followed.model, "small")) as writer:
        writer.unfollow([str(roots[1])])
    assert followed.follow(roots[2]).removed == 1
    stored = read_manifest(followed.index)
    assert stored is not None
    assert stored.roots == (str(roots[2]),)


def test_files_of_other_kinds_are_counted_once(followed: Followed, tmp_path: Path) -> None:
    """Catches files passed over in silence, litter of systems counted, and one counted twice."""
    for name in ("b.WAV", "photos/c.wav", "Thumbs.db", "desktop.ini", ".DS_Store", "README"):
        (followed.folder / name).write_bytes(b"x")
    (followed.folder / "folder.wav").mkdir()
    (followed.folder / "link.wav").symlink_to(followed.folder / "photos")
    followed.follow(followed.folder, followed.folder / "photos")
    assert followed.left_out == {".wav": 2, ".mp3": 1, "": 1}
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "things" / "z.png")
    followed.follow()
    assert followed.left_out == {".wav": 2, ".mp3": 1, "": 1}


def test_a_hidden_folder_that_was_named_itself(followed: Followed) -> None:
    """Catches entries of a hidden folder offline because only the one above was looked at."""
    hidden = followed.folder / ".private"
    (followed.folder / "photos").rename(hidden)
    followed.follow(followed.folder, hidden)
    assert (".private/b.jpg", 0) in entries(followed)
    assert not followed.follow(followed.folder).changed
    (hidden / "b.jpg").unlink()
    assert followed.follow(hidden).offline == 1


def test_only_what_is_included_is_taken(followed: Followed) -> None:
    """Catches a folder that is included without what is in it, and entries that stay behind."""
    exclusion = Exclusion(("b.*",), ("*.md", "photos/"))
    taken = {"note.md": True, "a.png": False, "photos/deep/c.WEBP": True, "photos/b.jpg": False}
    for path, is_taken in taken.items():
        assert exclusion.covers(f"/x/{path}", "/x") is not is_taken
    followed.follow()
    with writing(followed.index, lambda: manifest_of(followed.model, "small")) as writer:
        writer.remember(include=("*.md", "deep"))
    assert followed.follow().removed == 2
    assert entries(followed).keys() == {
        ("photos/deep/c.WEBP", 0),
        *(("note.md", part) for part in (1, 2, 3)),
    }
    with pytest.raises(UsageError, match="is empty"):
        Exclusion((), ("/",))


def test_an_ignore_file_is_of_its_folder(followed: Followed) -> None:
    """Catches patterns that hold for folders beside, entries that stay, and a slip of the pen."""
    followed.follow()
    ignore = followed.folder / "photos" / ".e5vignore"
    ignore.write_text("# not these\n\n/deep/\n!b.jpg\n*.png\n")
    progress = followed.follow()
    assert (progress.removed, progress.offline) == (1, 0)
    assert entries(followed).keys() == WHOLE - {("photos/deep/c.WEBP", 0)}
    [fault] = followed.faults
    assert fault.startswith(f"{ignore} line 4 is left out: the pattern '!b.jpg' begins with '!'")
    shutil.rmtree(followed.folder / "photos" / "deep")  # what is gone stays excluded
    ignore.write_text("*.jpg")
    assert followed.follow().removed == 1
    ignore.unlink()
    assert followed.follow().embedded == 1
    assert followed.faults == []
    ignore.mkdir()
    followed.follow()
    assert followed.faults == [f"{ignore} cannot be read: Is a directory"]


def test_folders_of_systems_are_passed_over(followed: Followed) -> None:
    """Catches thumbnails of a network disk and deleted photos among the hits."""
    names = ("@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX", ".Trash-1000", "photos/@eaDir")
    for name in names:
        (followed.folder / name).mkdir()
        shutil.copy(followed.folder / "a.png", followed.folder / name / f"{len(name)}.png")
    followed.follow()
    assert entries(followed).keys() == WHOLE
    assert followed.system_folders == {str(followed.folder / name) for name in names}
    followed.follow(followed.folder, followed.folder / "@eaDir")
    assert entries(followed).keys() == WHOLE | {("@eaDir/6.png", 0)}


def test_entries_in_folders_of_systems_are_removed(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an index of an earlier version that keeps such entries, and searches them."""
    (followed.folder / "@eaDir").mkdir()
    (followed.folder / "@eaDir" / "x.txt").write_text("made by the disk")
    with monkeypatch.context() as patch:
        for place in ("scan", "exclusion"):
            patch.setattr(f"e5v.search.{place}.is_system_folder", lambda name: name[:1] == ".")
        followed.follow()
    assert ("@eaDir/x.txt", 1) in entries(followed)
    assert followed.follow().removed == 1
    assert entries(followed).keys() == WHOLE


def test_many_stars_take_no_time() -> None:
    """Catches a line of .e5vignore that one name keeps busy for ever."""
    slow = Exclusion(("*a" * 20 + "*b", "**/" * 30 + "x*y", "a*/b*c*d/*e"))
    assert not slow.leaves_out("a" * 200, is_folder=False)
    assert not slow.leaves_out("a/" * 100 + "a", is_folder=False)
    assert slow.leaves_out("c" + "a" * 60 + "b", is_folder=False)
    assert slow.leaves_out("n/x1y", is_folder=False)
    assert slow.leaves_out("ab/bccd/ffe", is_folder=False)
    assert not slow.leaves_out("ab/bdc/e", is_folder=False)
