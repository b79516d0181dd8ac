"""The folder of the guide, with a file of each kind: what is in it is found where it is."""

from pathlib import Path

import pytest

import e5v
from e5v import E5V

FILES = Path(__file__).parents[2] / "examples" / "files"
TEXTS = {".docx", ".epub", ".html"}
FOUND = {
    "three huge gowns on a yellow background": "report.pdf#page=1",
    "a frog and a box of french fries": "report.pdf#page=2",
    "a toilet": "clip.mp4#t=0",
    "an octopus": "moving.webp#frame=1",
    "a swan": "camera.dng",
    "a lollipop and an avocado": "photo.jpg",
    "a shark": "letter.docx",
    "two violins": "book.epub",
    "kites": "page.html",
}


@pytest.mark.filterwarnings("ignore:.*nano knows")
def test_each_kind_of_file_is_found_by_words(tmp_path: Path) -> None:
    """Catches a page or frame that is black, upside down, or not that of its place."""
    model = E5V("nano")
    done = e5v.index([FILES], index=tmp_path / "index", model=model)
    assert (done.entries, done.faults) == (11, ())
    index = e5v.Index.open(tmp_path / "index", model=model)
    kinds = {
        words: "text" if Path(file).suffix in TEXTS else "image" for words, file in FOUND.items()
    }
    hits = {
        words: index.search(words, k=1, where=f"kind = '{kind}'")[0].entry
        for words, kind in kinds.items()
    }
    assert {words: Path(entry.path).name for words, entry in hits.items()} == FOUND
    where = "taken >= '2019' AND taken < '2020' AND latitude > 60 AND camera LIKE '%Camera One'"
    [photo] = index.search("anything", where=where)
    assert Path(photo.entry.path).name == "photo.jpg"
    assert (photo.entry.latitude, photo.entry.longitude) == (61.5, 8.25)
