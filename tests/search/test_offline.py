"""Entries whose files are missing: kept offline, back without being embedded, removed in time."""

import importlib
import shutil
import time

import numpy as np
import pytest

from e5v.search.index import Index
from e5v.search.manifest import read_manifest
from e5v.search.writer import writing
from tests.search.followed import WHOLE, Followed, check_vectors, entries, write_lines
from tests.search.made import make_manifest


def test_a_folder_emptied_but_for_one_file_loses_nothing(followed: Followed) -> None:
    """Catches hours of embedding lost because a folder was empty when it was looked at."""
    followed.follow()
    aside = followed.folder.rename(followed.folder.with_name("aside"))
    followed.folder.mkdir()
    shutil.copy(aside / "note.md", followed.folder / "stray.md")
    progress = followed.follow()
    assert (progress.embedded, progress.removed, progress.offline) == (0, 3, 3)
    assert entries(followed).keys() == {("stray.md", part) for part in (1, 2, 3)}
    assert Index.open(followed.index).offline == 3
    shutil.rmtree(followed.folder)
    aside.rename(followed.folder)
    progress = followed.follow()
    assert (progress.embedded, progress.returned, followed.given) == (0, 3, [])
    assert entries(followed).keys() == WHOLE
    check_vectors(followed)


def test_a_folder_within_that_is_away_is_offline(followed: Followed) -> None:
    """Catches one disk among several, mounted below the followed folder, whose entries are lost."""
    followed.follow()
    photos = followed.folder / "photos"
    aside = photos.rename(followed.folder.with_name("aside"))
    photos.mkdir()  # the empty mount point
    assert followed.follow().offline == 2
    assert entries(followed).keys() == WHOLE - {("photos/b.jpg", 0), ("photos/deep/c.WEBP", 0)}
    assert not followed.follow().changed
    photos.rmdir()
    assert not followed.follow().changed
    aside.rename(photos)
    assert followed.follow().returned == 2
    assert followed.given == []
    assert entries(followed).keys() == WHOLE
    assert not followed.follow().changed


def test_what_comes_back_under_another_name_is_not_embedded(followed: Followed) -> None:
    """Catches vectors that are kept and not used, since the disk has another name now."""
    followed.follow()
    (followed.folder / "photos").rename(followed.folder.with_name("aside"))
    assert followed.follow().offline == 2
    followed.folder.with_name("aside").rename(followed.folder / "pictures")
    progress = followed.follow()
    assert (progress.reused, progress.removed, followed.given) == (2, 2, [])
    assert ("pictures/deep/c.WEBP", 0) in entries(followed)
    assert Index.open(followed.index).offline == 0
    check_vectors(followed)


def test_one_missing_root_of_two_does_not_stop_the_other(followed: Followed) -> None:
    """Catches a run that ends because one of its folders is not mounted."""
    more = followed.folder.with_name("more")
    more.mkdir()
    (more / "a.txt").write_text("first")
    followed.follow(followed.folder, more)
    aside = followed.folder.rename(followed.folder.with_name("aside"))
    (more / "b.txt").write_text("second")
    progress = followed.follow(followed.folder, more)
    assert (progress.embedded, progress.offline) == (1, 6)
    assert list(followed.away) == [str(followed.folder)]
    assert len(Index.open(followed.index)) == 2
    aside.rename(followed.folder)
    assert followed.follow(followed.folder, more).returned == 6
    assert list(followed.away) == []


def test_offline_entries_are_found_only_when_asked_for(followed: Followed) -> None:
    """Catches results that cannot be opened, and an entry that a link no longer leads to."""
    followed.follow()
    one = entries(followed)["a.png", 0]
    (followed.folder / "a.png").unlink()
    reader = Index.open(followed.index)
    followed.follow()
    assert reader.refresh()
    vector = reader.vector(one.id)
    assert vector is not None
    assert one.id not in {hit.entry.id for hit in reader.search(vector, k=9)}
    assert one.id not in {hit.entry.id for hit in reader.search(vector, k=9, where="size > 0")}
    hits = reader.search(vector, k=1, offline=True)
    assert [(hit.entry.id, hit.entry.offline) for hit in hits] == [(one.id, True)]
    assert (len(reader), reader.offline, reader.kinds()) == (5, 1, {"image": 2, "text": 3})
    assert one.id not in reader.vectors()[0]
    assert one.id not in {entry.id for entry in reader.newest()}
    assert all(one.id != entry.id for group in reader.duplicates(0.5) for entry in group)
    kept = reader.get(one.id)
    assert kept is not None
    assert kept.thumbnail == one.thumbnail
    assert reader.audit(queries=5).entries == 5


def test_forgotten_at_once(followed: Followed) -> None:
    """Catches a folder, or a file by itself, that is followed for ever though it is gone."""
    roots = followed.folder / "photos", followed.folder / "a.png", followed.folder / "note.md"
    followed.follow(*roots)
    shutil.rmtree(roots[0])
    roots[1].unlink()
    progress = followed.follow(*roots)
    assert (progress.removed, progress.offline) == (0, 3)
    progress = followed.follow(*roots, forget=True)
    assert (progress.removed, progress.offline) == (3, 0)
    stored = read_manifest(followed.index)
    assert stored is not None
    assert stored.roots == (str(roots[2]),)
    assert Index.open(followed.index).offline == 0
    assert entries(followed).keys() == {("note.md", part) for part in (1, 2, 3)}


def test_removed_when_the_time_is_over(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches entries kept for ever, or removed before the days that the index says."""
    followed.follow()
    (followed.folder / "a.png").unlink()
    start = time.time()
    days = iter([0, 29, 31])
    for expected in ((0, 1), (0, 0), (1, 0)):
        day = next(days)
        monkeypatch.setattr(time, "time", lambda day=day: start + day * 86_400)
        progress = followed.follow()
        assert (progress.removed, progress.offline) == expected
    with writing(followed.index, make_manifest) as writer:
        writer.remember(keep_days=0)
    (followed.folder / "note.md").unlink()
    assert followed.follow().removed == 3


def test_a_deleted_copy_is_removed_at_once(followed: Followed) -> None:
    """Catches an entry kept offline for content that is still there under another name."""
    shutil.copy(followed.folder / "a.png", followed.folder / "copy.png")
    followed.follow()
    (followed.folder / "copy.png").unlink()
    progress = followed.follow()
    assert (progress.removed, progress.offline) == (1, 0)
    assert entries(followed).keys() == WHOLE


def test_images_of_lines_on_a_disk_that_is_away(followed: Followed) -> None:
    """Catches captions beside the index, and images on a disk, embedded again after every trip."""
    disk = followed.folder.with_name("disk")
    (followed.folder / "photos").rename(disk)
    (followed.folder / "a.png").unlink()
    lines = [{"image": f"{disk}/b.jpg", "text": "a strip"}, {"text": "words"}]
    write_lines(followed.folder / "all.jsonl", *lines, {"image": f"{disk}/deep/c.WEBP"})
    followed.follow()
    before = entries(followed)
    aside = disk.rename(disk.with_name("aside"))
    progress = followed.follow()
    assert (progress.removed, progress.offline) == (0, 2)
    assert len(entries(followed)) == 4
    assert len(followed.faults) == 2
    assert not followed.follow().changed
    aside.rename(disk)
    progress = followed.follow()
    assert (progress.returned, progress.reused, followed.given, followed.faults) == (2, 0, [], [])
    assert entries(followed) == before
    assert not followed.follow().changed


def test_a_run_that_ends_early_has_noted_what_is_missing(followed: Followed) -> None:
    """Catches a deleted photo that is found until hours of embedding are over."""
    followed.follow()
    (followed.folder / "a.png").unlink()
    (followed.folder / "new.txt").write_text("new")
    steps = followed.steps()
    next(steps)
    steps.close()
    assert ("a.png", 0) not in entries(followed)
    assert Index.open(followed.index).offline == 1


def test_an_index_of_the_format_before_is_taken_over(followed: Followed) -> None:
    """Catches an index that has to be made anew after an update of this package."""
    followed.follow()
    before = entries(followed)
    told = (followed.index / "index.json").read_text()
    for line in ('  "exclude": [],\n', '  "keep_days": 30.0,\n'):
        assert line in told
        told = told.replace(line, "")
    (followed.index / "index.json").write_text(told.replace('"format": 4', '"format": 1'))
    for name in ("marks.npz", "files.sqlite"):
        (followed.index / name).unlink(missing_ok=True)
    assert entries(followed) == before
    (followed.folder / "note.md").unlink()
    progress = followed.follow()
    assert (progress.embedded, progress.offline) == (0, 3)
    stored = read_manifest(followed.index)
    assert stored is not None
    assert (stored.format, stored.keep_days) == (4, 30)


def test_broken_notes_beside_the_records_are_made_again(followed: Followed) -> None:
    """Catches an index that cannot be opened because a small file beside its records is broken."""
    write_lines(followed.folder / "lines.jsonl", {"text": "one"})
    followed.follow()
    write_lines(followed.folder / "lines.jsonl", {"text": "one"}, {"text": "two"})
    (followed.folder / "a.png").unlink()
    followed.follow()
    for name in ("marks.npz", "files.sqlite", "faults.json"):
        (followed.index / name).write_bytes(b"rubbish")
    assert followed.follow().embedded == 0
    assert ("a.png", 0) not in entries(followed)
    np.testing.assert_equal(len(entries(followed)), 7)


class KilledError(BaseException):
    """Ends a run where it stands, as a power cut does."""


@pytest.mark.parametrize(
    "place",
    [
        "catalog.write_marks",
        "catalog.write_states",
        "catalog.write_faults",
        "sync.FolderSync._sweep",
        "entry_table.Table.add",
        "entry_table.Table.remove",
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_ended_at_any_moment(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, place: str, when: str
) -> None:
    """Catches rows lost, twice or in another's place, because a run ended between two files."""
    *path, name = place.split(".")
    owner = importlib.import_module(f"e5v.search.{path[0]}")
    for inner in path[1:]:
        owner = getattr(owner, inner)
    act = getattr(owner, name)

    def end(*arguments: object, **options: object) -> None:
        if when == "after":
            act(*arguments, **options)
        raise KilledError

    lines = [{"text": f"line {number}"} for number in range(6)]
    write_lines(followed.folder / "lines.jsonl", *lines, {"image": "photos/b.jpg"})
    followed.follow()
    (followed.folder / "a.png").unlink()
    (followed.folder / "note.md").write_text("other")
    (followed.folder / "photos/b.jpg").rename(followed.folder / "b.jpg")
    lines = [{"text": "new"}, *lines[:2], {"text": "changed"}, *lines[3:]]
    write_lines(followed.folder / "lines.jsonl", *lines, {"image": "photos/b.jpg"})
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, end)
        with pytest.raises(KilledError):
            followed.follow()
    progress = followed.follow()
    assert progress.embedded <= 3
    found = entries(followed)
    listed = {part: one.text for (name, part), one in found.items() if name == "lines.jsonl"}
    assert listed == {number: line["text"] for number, line in enumerate(lines, 1)}
    others = {key for key in found if key[0] != "lines.jsonl"}
    assert others == {("note.md", 1), ("b.jpg", 0), ("photos/deep/c.WEBP", 0)}
    assert Index.open(followed.index).offline == 1
    assert not followed.follow().changed
    check_vectors(followed)
