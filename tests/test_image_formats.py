"""One table says which files are images, for every place that asks."""

from pathlib import Path

import PIL.Image
import pytest

from e5v.image_formats import (
    FORMAT_OF_SUFFIX,
    IMAGE_FORMATS,
    IMAGE_SUFFIXES,
    OTHER_IMAGE_SUFFIXES,
    PILLOW_FORMATS,
    is_image_name,
    suffix_of,
)
from e5v.inputs import normalise


def test_every_format_has_a_decoder() -> None:
    """Catches a suffix that counts as an image and that nothing here can decode."""
    PIL.Image.init()
    assert set(PILLOW_FORMATS) <= set(PIL.Image.OPEN)
    assert {form.name for form in IMAGE_FORMATS} - set(PILLOW_FORMATS) == {"HEIF"}


def test_no_suffix_stands_for_two_things() -> None:
    """Catches a suffix of two formats, and one that is both read and known to be unreadable."""
    suffixes = [suffix for form in IMAGE_FORMATS for suffix in form.suffixes]
    assert len(suffixes) == len(set(suffixes)) == len(FORMAT_OF_SUFFIX)
    assert not IMAGE_SUFFIXES & OTHER_IMAGE_SUFFIXES
    assert all(one == one.lower() and one.startswith(".") for one in suffixes)


@pytest.mark.parametrize("name", ["EPS", "PSD", "WMF", "MPEG", "PDF"])
def test_formats_of_other_programs_are_left_out(name: str) -> None:
    """Catches a format that Pillow would hand to another program."""
    assert name not in PILLOW_FORMATS


def test_names_of_files() -> None:
    """Catches a suffix in capitals, or a hidden file, that is read in another way."""
    assert suffix_of("photos/Cat.JPG") == ".jpg"
    assert suffix_of(".jpg") == suffix_of("cat") == ""
    assert is_image_name("a.HEIC")
    assert not is_image_name("a.mov")


@pytest.mark.parametrize("name", ["scan.pdf", "a.xbm", "a.sgi", "a.im", "shot.RAW", "logo.svg"])
def test_a_file_that_is_not_supported_is_not_a_text(tmp_path: Path, name: str) -> None:
    """Catches the vector of a file's name in place of an error about the file."""
    (tmp_path / name).touch()
    assert normalise(str(tmp_path / name)).images
