"""Strings that name an image are opened, and those that only look like one are doubted."""

import os
from pathlib import Path

import pytest

from e5v.errors import ItemError
from e5v.image_formats import IMAGE_SUFFIXES
from e5v.image_names import file_of_url, why_text
from e5v.inputs import Image, Text, normalise


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with one image, and have it for a home."""
    (tmp_path / "my photos").mkdir()
    (tmp_path / "album.jpg").mkdir()
    (tmp_path / "my photos" / "cat ä.jpg").write_bytes(b"pixels")
    (tmp_path / "photo.jpg").write_bytes(b"pixels")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def only(string: str) -> Text | Image:
    """Return the one part that a string is read as."""
    (part,) = normalise(string).parts
    return part


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_every_image_suffix_names_a_file(suffix: str) -> None:
    """Catches a format that decodes and whose path is embedded as words."""
    Path(f"picture{suffix}").write_bytes(b"pixels")
    part = only(f"picture{suffix}")
    assert isinstance(part, Image)
    assert part.source == Path(f"picture{suffix}")


@pytest.mark.parametrize(
    "string",
    [
        "photo.jpg\n",
        " photo.jpg",
        "\tphoto.jpg \r\n",
        "\ufeffphoto.jpg",
        "~/photo.jpg",
        "./photo.jpg",
    ],
)
def test_white_space_around_a_name(string: str) -> None:
    """Catches a line of a list of files whose newline makes it a text."""
    part = only(string)
    assert isinstance(part, Image)
    assert isinstance(part.source, Path)
    assert part.source.resolve() == Path("photo.jpg").resolve()
    (named,) = normalise({"image": string}).images
    assert isinstance(named.source, Path)
    assert named.source.resolve() == Path("photo.jpg").resolve()


def test_a_name_that_begins_with_a_space() -> None:
    """Catches a file that is called so replaced by another one."""
    Path(" photo.jpg").write_bytes(b"others")
    part = only(" photo.jpg")
    assert isinstance(part, Image)
    assert part.source == Path(" photo.jpg")


@pytest.mark.parametrize("head", ["file://", "FILE://localhost", "file:", " file://"])
def test_a_file_url(folder: Path, head: str) -> None:
    """Catches a file dragged from a browser or a file manager embedded as words."""
    target = folder / "my photos" / "cat ä.jpg"
    for path in (target.as_uri().removeprefix("file://"), str(target)):
        for raw in (f"{head}{path}", {"image": f"{head}{path}\n"}):
            (image,) = normalise(raw).images
            assert image.source == target


def test_file_urls_that_name_no_file() -> None:
    """Catches a file URL that is wrong taken for a text."""
    (image,) = normalise("file:///nowhere/cat.jpg").images
    assert image.source == Path("/nowhere/cat.jpg")
    with pytest.raises(ItemError, match=r"^item 3: names a file on 'server'; only local files"):
        normalise("file://server/share/cat.jpg", 3)
    assert isinstance(only("file:///etc/hosts"), Text)
    assert isinstance(only("file:///a/cat.jpg is a URL"), Text)


def test_file_urls_of_windows() -> None:
    """Catches the slash before a drive left in the path."""
    assert file_of_url("file://C:/photos/cat.jpg") == Path("C:/photos/cat.jpg")
    if os.name == "nt":
        assert file_of_url("file:///C:/photos/cat.jpg") == Path("C:/photos/cat.jpg")


@pytest.mark.parametrize(
    ("string", "reason"),
    [
        ("nowhere.jpg", "no such file"),
        ("typo/photo.jpg", "no such file"),
        ("photo.jpeg\n", "no such file"),
        ("C:\\photos\\my cat.jpg", "no such file"),
        ("..\\my cat.jpg", "no such file"),
        ("/my photos/cat.heic", "no such file"),
        ("my photos/a cat.jpg", "no such file"),
        ("other photos/cat 1.jpg", "no such file"),
        ("~/nowhere.png", "no such file"),
        ("nowhere.psd", "no such file"),
        ("album.jpg", "a folder"),
        ("https://example.com/a/cat.jpg", "a URL; URLs are not downloaded"),
        ("http://example.com/cat.png?size=9#top", "a URL; URLs are not downloaded"),
        ("ftp://host/cat.webp", "a URL; URLs are not downloaded"),
    ],
)
def test_a_text_that_looks_like_an_image(string: str, reason: str) -> None:
    """Catches a path with a typo embedded as words, and nobody is warned."""
    part = only(string)
    assert isinstance(part, Text)
    assert part.text == string
    assert part.doubt == why_text(string) == reason
    assert normalise([string, "b"]).doubt.endswith(f"({reason})")


@pytest.mark.parametrize(
    "string",
    [
        "a dog in the grass",
        "see photo.jpg",
        "see the pictures in photos/cat.jpg",
        "what is the difference between .jpg and .png",
        ".jpg",
        "https://example.com/",
        "https://example.com/about.html",
        "and/or",
        "photo.jpg is a picture of a cat",
        "first line\nphoto.jpeg",
        "notes.txt",
        "file:///etc/hosts",
    ],
)
def test_a_text_that_is_one(string: str) -> None:
    """Catches a warning over every sentence that mentions a file."""
    part = only(string)
    assert isinstance(part, Text)
    assert part.doubt == ""


@pytest.mark.parametrize("string", ["photo.jpg", "typo.jpg", " photo.jpg", "file:///a.jpg"])
def test_text_by_name_is_text(string: str) -> None:
    """Catches a text of a data set opened as a file of this machine, or warned about."""
    (part,) = normalise({"text": string}).parts
    assert isinstance(part, Text)
    assert (part.text, part.doubt) == (string, "")


def test_data_uris_as_they_are_written() -> None:
    """Catches the base64 of a picture embedded as words for a space, a line break or a capital."""
    for string in (
        " data:image/png;base64,cGl4",
        "DATA:image/png;BASE64,cGl4",
        "data:image/png;charset=utf-8;base64,cG\nl4\n",
        "data:;base64, cGl4",
    ):
        part = only(string)
        assert isinstance(part, Image)
        assert part.source == b"pix"
    (image,) = normalise({"image": "data:image/png;base64,-_-_"}).images
    assert image.source == b"\xfb\xff\xbf"


def test_a_text_equals_itself_whatever_is_doubted() -> None:
    """Catches two equal texts told apart by where they came from."""
    assert Text("a.jpg", "no such file") == Text("a.jpg")
    assert hash(Text("a.jpg", "no such file")) == hash(Text("a.jpg"))
