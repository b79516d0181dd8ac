"""Documents, videos, animations and RAW files in a folder that is followed."""

import os
import sys
from typing import Any

import numpy as np
import pytest

from e5v.inputs import Item
from e5v.search.corpus import IndexCorpus
from e5v.search.index import Index
from e5v.search.index_model import manifest_of
from e5v.search.manifest import SettingChanges, merge_settings, read_manifest
from e5v.search.marks import read_marks
from e5v.search.query import Query, load_stored_example
from e5v.search.records import UNSURE, RecordIndex
from e5v.search.writer import writing
from tests.media.made import (
    write_animation,
    write_dng,
    write_docx,
    write_encrypted_pdf,
    write_epub,
    write_pdf,
    write_video,
)
from tests.search.followed import WHOLE, Followed, entries


def test_each_kind_of_file_is_found_and_followed(followed: Followed) -> None:
    """Catches a page without its number or text, and a file read anew though it was only moved."""
    folder = followed.folder
    write_pdf(folder / "report.pdf", "first words", "second words")
    write_video(folder / "clip.mp4", seconds=2)
    write_animation(folder / "moving.gif")
    write_dng(folder / "camera.dng")
    write_docx(folder / "letter.docx", "Dear reader", "Yours")
    write_epub(folder / "book.epub", "Chapter one")
    (folder / "page.html").write_text("<h1>A title</h1><script>var no</script>")
    progress = followed.follow()
    assert followed.faults == []
    found = entries(followed)
    texts = {place: one.text for place, one in found.items() if place not in WHOLE}
    assert texts == {
        ("report.pdf#page=1", 1): "first words",
        ("report.pdf#page=2", 2): "second words",
        ("clip.mp4#t=0", 1): "",
        ("clip.mp4#t=1", 2): "",
        **{(f"moving.gif#frame={one}", place): "" for place, one in enumerate((1, 2, 4, 5), 1)},
        ("camera.dng", 0): "",
        ("letter.docx", 1): "Dear reader\n\nYours",
        ("book.epub", 1): "Chapter one",
        ("page.html", 1): "A title",
    }
    assert progress.embedded == len(found) == progress.done
    page = found["report.pdf#page=2", 2]
    assert (page.kind, page.width, page.height) == ("image", 800, 1200)
    assert page.thumbnail
    raw = found["camera.dng", 0]
    assert (raw.taken, raw.camera) == ("2021-07-08T09:10:11", "Made Camera One")
    check_images(followed, "report.pdf#page=1", "clip.mp4#t=1", "moving.gif#frame=4", "camera.dng")

    assert not followed.follow().changed
    with writing(followed.index, lambda: manifest_of(followed.model, "small")) as writer:
        keys = RecordIndex(writer, read_marks(followed.index)).keys
        assert not (keys.states == UNSURE).any()  # so that no record is read to compare its file
    (folder / "report.pdf").rename(folder / "photos" / "moved.pdf")
    os.utime(folder / "clip.mp4", (1, 1))
    progress = followed.follow()
    assert (progress.reused, progress.removed, followed.given) == (2, 2, [])
    assert ("photos/moved.pdf#page=2", 2) in entries(followed)
    write_video(folder / "clip.mp4", seconds=3)
    (folder / "letter.docx").unlink()
    progress = followed.follow()
    assert (progress.embedded, progress.removed, progress.offline) == (3, 0, 1)
    assert ("clip.mp4#t=2", 3) in entries(followed)
    assert not followed.follow().changed


def check_images(followed: Followed, *paths: str) -> None:
    """Compare the vectors of images inside of files with what the model says of the images."""
    index = Index.open(followed.index)
    found = {one.path: one for one in index.entries(index.vectors()[0])}
    for path in paths:
        entry = found[str(followed.folder / path)]
        stored = load_stored_example(index, Query("like this", like=entry.id))
        assert stored is not None
        assert stored.part is not None
        vector = followed.model.encode([stored.part])[0]
        np.testing.assert_allclose(stored.vector, vector, atol=2e-3)


def test_limits_are_settings_of_the_index(followed: Followed) -> None:
    """Catches a page limit that is forgotten, or changed without a file being read again."""
    write_pdf(followed.folder / "long.pdf", count=4)
    write_video(followed.folder / "clip.mp4", seconds=4)

    def limit(**settings: Any) -> None:
        with writing(followed.index, lambda: manifest_of(followed.model, "small")) as writer:
            changes = SettingChanges(**settings)
            writer.remember(**merge_settings(read_manifest(followed.index), changes))

    limit(pages=2, frames=2)
    followed.follow()
    assert entries(followed).keys() - WHOLE == {
        *((f"long.pdf#page={page}", page) for page in (1, 2)),
        ("clip.mp4#t=0", 1),
        ("clip.mp4#t=2", 2),
    }
    assert followed.faults == [f"{followed.folder}/long.pdf has 4 pages; the first 2 are indexed"]
    limit()
    assert not followed.follow().changed
    with writing(followed.index, lambda: manifest_of(followed.model, "small")) as writer:
        lost = [one.number for one in writer.known() if one.path.endswith("#page=2")]
        writer.commit([], lost)  # as if the run had been interrupted
    assert followed.follow().embedded == 1
    limit(pages=3)
    progress = followed.follow()
    assert (progress.embedded, progress.removed) == (1, 0)
    limit(pages=1, frames=1)
    assert followed.follow(followed.folder / "photos").changed is False
    assert followed.follow().removed == 3
    assert not followed.follow().changed
    manifest = read_manifest(followed.index)
    assert manifest is not None
    assert (manifest.pages, manifest.frames, manifest.reread) == (1, 1, ())


def test_hostile_files_are_named_and_the_rest_is_indexed(followed: Followed) -> None:
    """Catches a run that ends at a broken file, or an entry of half of one."""
    folder = followed.folder
    write_encrypted_pdf(folder / "locked.pdf")
    write_pdf(folder / "whole.pdf", "text")
    write_pdf(folder / "vast.pdf", "text", size=(1e7, 1e7))
    write_video(folder / "clip.mp4")
    write_docx(folder / "letter.docx", "text")
    write_epub(folder / "sold.epub", "text", encrypted=True)
    write_docx(folder / "bomb.docx", "a" * 70_000_000)
    for name in ("clip.mp4", "letter.docx", "whole.pdf"):
        content = (folder / name).read_bytes()
        (folder / f"cut {name}").write_bytes(content[: len(content) // 2])
    for name in ("a.pdf", "a.mkv", "a.nef", "a.epub"):
        (folder / name).touch()
    (folder / "noise.cr2").write_bytes(b"II*\0" + bytes(range(256)) * 40)
    (folder / "noise.mov").write_bytes(bytes(range(256)) * 40)
    (folder / "list.mp4").write_text("ffconcat version 1.0\nfile clip.mp4\n")
    followed.follow()
    told = dict(
        fault.removeprefix(f"{folder}/").split(" ", 1)
        for fault in (one.replace("/cut ", "/cut-") for one in followed.faults)
    )
    assert {name: reason for name, reason in told.items() if reason != "is empty (0 bytes)"} == {
        "locked.pdf": "is encrypted; save a copy without a password",
        "sold.epub": "is encrypted (copy protection)",
        "bomb.docx": "has 67 MB of text with markup; expected at most 64",
        "cut-clip.mp4": "has no video",
        "cut-letter.docx": "is not a .docx document: File is not a zip file",
        "cut-whole.pdf": "is broken: Failed to load document (PDFium: Data format error).",
        "noise.cr2": told["noise.cr2"],
        "noise.mov": told["noise.mov"],
        "list.mp4": "is not a video of a known format",
    }
    assert told["noise.cr2"].startswith("cannot be read as camera RAW: ")
    assert told["noise.mov"].startswith("is broken: ")
    assert len(told) == 13
    assert entries(followed).keys() - WHOLE == {
        ("whole.pdf#page=1", 1),
        ("vast.pdf#page=1", 1),
        ("clip.mp4#t=0", 1),
        ("clip.mp4#t=1", 2),
        ("letter.docx", 1),
    }
    assert not followed.follow().changed


def test_a_page_that_kills_its_process_is_named(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a run that dies with its decoder, or waits for it for ever."""
    write_pdf(followed.folder / "report.pdf", "one", "two", "three")
    deadly = (
        "import os, e5v.media.worker as worker; read = worker.WORK['image']; "
        "worker.WORK['image'] = lambda path, place: "
        "os.kill(os.getpid(), 9) if place == 'page=2' else read(path, place); worker.main()"
    )
    monkeypatch.setattr("e5v.media.decoder.COMMAND", (sys.executable, "-P", "-c", deadly))
    followed.follow()
    assert followed.faults == [
        f"{followed.folder}/report.pdf#page=2 cannot be decoded: the process that decoded it ended "
        "(SIGKILL)"
    ]
    assert ("report.pdf#page=3", 3) in entries(followed)
    monkeypatch.undo()
    assert not followed.follow().changed


def test_without_the_libraries_entries_stay(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches entries lost because a library was uninstalled, and files passed over in silence."""
    write_pdf(followed.folder / "report.pdf", "one")
    followed.follow()
    monkeypatch.setattr("e5v.search.reading.can_read", lambda kind: kind.extra != "documents")
    write_docx(followed.folder / "letter.docx", "text")
    progress = followed.follow(followed.folder, followed.folder / "photos")
    assert (progress.changed, followed.faults) == (False, [])
    assert followed.left_out == {".mp3": 1, ".pdf": 1, ".docx": 1}
    assert ("report.pdf#page=1", 1) in entries(followed)


def test_pages_can_be_mined(followed: Followed) -> None:
    """Catches a corpus that looks for a file called report.pdf#page=1."""
    write_pdf(followed.folder / "report.pdf", "one")
    followed.follow()
    corpus = IndexCorpus.open(followed.index)
    assert (len(corpus), corpus.missing) == (7, 0)
    images = [item for item in corpus.items(range(7)) if isinstance(item, Item)]
    assert sum(isinstance(one.images[0].source, bytes) for one in images) == 1
