"""examples/photos: every photo is credited and captioned, and together they stay small."""

import re
from pathlib import Path

import PIL.Image
import pytest

from e5v.captions import CaptionedImage, EditLine, read_captioned, read_edits

ROOT = Path(__file__).parents[1]
PHOTOS = ROOT / "examples" / "photos"
FILES = sorted((PHOTOS / "images").iterdir())
COUNT, EDITS, BYTES, LONGEST_SIDE = 52, 10, 6_000_000, 640
LICENCES = (
    "[CC0](https://creativecommons.org/publicdomain/zero/1.0/)",
    "[CC BY 2.0](https://creativecommons.org/licenses/by/2.0/)",
    "[CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/)",
    "[Pexels License](https://www.pexels.com/license/)",
    "[Unsplash License](https://unsplash.com/license)",
    "public domain",
)
CREDIT = re.compile(r"^\| `(.+?)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def captions() -> list[CaptionedImage]:
    """Read the captions with the package's own reader."""
    lines = list(read_captioned(PHOTOS / "captions.jsonl"))
    return [line for line in lines if isinstance(line, CaptionedImage)]


@pytest.fixture(scope="module")
def edits() -> list[EditLine]:
    """Read the edits with the package's own reader."""
    return [line for line in read_edits(PHOTOS / "edits.jsonl") if isinstance(line, EditLine)]


def test_every_photo_has_a_credit_and_a_licence() -> None:
    """Catches a photo without its author, source or licence, and credits of one that is gone."""
    rows = CREDIT.findall((PHOTOS / "CREDITS.md").read_text())
    assert [row[0] for row in rows] == [file.name for file in FILES]
    for name, title, author, source, licence in rows:
        assert title, name
        assert "](http" in source, name
        assert licence in LICENCES, name
        assert author != "not named" or not licence.startswith("[CC BY"), name


def test_the_notice_names_every_licence() -> None:
    """Catches a licence that is in the credits only."""
    notice = " ".join((ROOT / "NOTICE").read_text().split())
    names = [licence.strip("[").partition("]")[0] for licence in LICENCES]
    assert [name for name in names if name not in notice] == []


def test_the_photos_are_small() -> None:
    """Catches photos that bloat the repository, and metadata, which may say where one was."""
    assert len(FILES) == COUNT
    assert sum(path.stat().st_size for path in PHOTOS.rglob("*")) <= BYTES
    for file in FILES:
        with PIL.Image.open(file) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB"), file
            assert max(image.size) <= LONGEST_SIDE, file
            assert not image.getexif(), file
            assert not {"exif", "comment", "photoshop", "xmp"} & image.info.keys(), file


def test_every_photo_has_two_captions(captions: list[CaptionedImage]) -> None:
    """Catches a photo without captions, a caption of two photos, and a line that has a fault."""
    assert [line.image for line in captions] == FILES
    assert {len(line.texts) for line in captions} == {2}
    texts = [text for line in captions for text in line.texts]
    assert len(set(texts)) == 2 * COUNT
    assert all(text[0].isupper() and text.endswith(".") for text in texts)


def test_the_names_do_not_tell_the_content() -> None:
    """Catches a name by which a photo would be found without being seen."""
    assert [file.name for file in FILES] == [f"{n:02d}.jpg" for n in range(1, COUNT + 1)]


def test_the_edits_lead_from_one_photo_to_others(edits: list[EditLine]) -> None:
    """Catches an edit that names a missing photo, or whose answer is where it starts."""
    assert len(edits) == EDITS
    assert len({edit.text for edit in edits}) == EDITS
    for edit in edits:
        assert {edit.image, *edit.targets} <= set(FILES)
        assert edit.image not in edit.targets
