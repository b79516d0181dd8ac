"""Whatever a user has becomes an item, and what cannot is told with its place in the list."""

import base64
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import PIL.Image
import pytest

from e5v.errors import ItemError
from e5v.inputs import Image, Item, Text, normalise

PNG = b"\x89PNG not decoded here"
URI = "data:image/png;base64," + base64.b64encode(PNG).decode()
PICTURE = PIL.Image.new("RGB", (4, 3))


def _nested() -> list[Any]:
    """Make a list far deeper than Python's stack."""
    deep: list[Any] = ["a"]
    for _ in range(100_000):
        deep = [deep]
    return deep


def shape(raw: Any) -> list[object]:
    """Normalise and show every part as what it holds: a string, a Path, bytes or a PIL image."""
    parts = normalise(raw, 7).parts
    return [part.text if isinstance(part, Text) else part.source for part in parts]


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ("a dog in the grass", ["a dog in the grass"]),
        ("  \n padded \t", ["  \n padded \t"]),
        ("nowhere.jpg", ["nowhere.jpg"]),
        ("https://example.com/cat.jpg", ["https://example.com/cat.jpg"]),
        ("data: the new oil", ["data: the new oil"]),
        ("x" * 5000 + ".jpg", ["x" * 5000 + ".jpg"]),
        ("nul\0.jpg", ["nul\0.jpg"]),
        (Path("nowhere.jpg"), [Path("nowhere.jpg")]),
        (Path("no suffix"), [Path("no suffix")]),
        (PNG, [PNG]),
        (bytearray(PNG), [PNG]),
        (memoryview(PNG), [PNG]),
        (URI, [PNG]),
        (PICTURE, [PICTURE]),
    ],
)
def test_a_thing_on_its_own(raw: Any, parts: list[object]) -> None:
    """Catches a text taken for a path, an image taken for a text, and words changed on the way."""
    assert shape(raw) == parts


@pytest.mark.parametrize("name", ["cat.jpg", "CAT.JPEG", "my cat.PnG", "cat.tiff", "katze ä.webp"])
def test_a_string_that_names_an_image_file(tmp_path: Path, name: str) -> None:
    """Catches `encode(["cat.jpg"])` embedding the nine letters instead of the picture."""
    path = tmp_path / name
    path.write_bytes(PNG)
    assert shape(str(path)) == [path]


@pytest.mark.parametrize("name", ["notes.txt", "archive.jpg.zip", "jpg", "cat.jpg "])
def test_a_string_that_names_another_file(tmp_path: Path, name: str) -> None:
    """Catches a text read as an image because some file happens to have its name."""
    path = tmp_path / name
    path.write_bytes(PNG)
    assert shape(str(path)) == [str(path)]


def test_a_string_that_names_a_folder(tmp_path: Path) -> None:
    """Catches a folder called like an image taken for one."""
    folder = tmp_path / "album.jpg"
    folder.mkdir()
    assert shape(str(folder)) == [str(folder)]


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ({"image": "a.jpg", "text": "red"}, [Path("a.jpg"), "red"]),
        ({"text": "red", "image": "a.jpg"}, [Path("a.jpg"), "red"]),  # keys have no order
        ({"bytes": b"...", "path": "a.jpg"}, [b"..."]),
        ({"image": PICTURE, "text": None}, [PICTURE]),
        ({"image": None, "text": "red"}, ["red"]),
        ({"image": [PNG, "a.jpg"], "text": "both"}, [PNG, Path("a.jpg"), "both"]),
        ({"image": ("a.jpg", URI)}, [Path("a.jpg"), PNG]),
        ({"text": "a.jpg"}, ["a.jpg"]),
        ({"text": URI}, [URI]),
        ({"image": URI}, [PNG]),
        ({"image": "no suffix"}, [Path("no suffix")]),
        (["a", PNG, "b", PICTURE, {"text": "c"}], ["a", PNG, "b", PICTURE, "c"]),
        (("a", ["b", ["c"]]), ["a", "b", "c"]),
        ([[], "a"], ["a"]),
    ],
)
def test_a_mixture_keeps_its_order(raw: Any, parts: list[object]) -> None:
    """Catches parts lost or swapped: "make it red" must follow the picture it is about."""
    assert shape(raw) == parts


OPENAI = {
    "role": "user",
    "content": [
        {"type": "text", "text": "like"},
        {"type": "image_url", "image_url": {"url": URI, "detail": "low"}},
        {"type": "text", "text": "but red"},
    ],
}
HUGGING_FACE = {
    "role": "user",
    "content": [
        {"type": "text", "text": "like"},
        {"type": "image", "image": PNG},
        {"type": "text", "text": "but red"},
    ],
}
HUGGING_FACE_BASE64 = {
    "role": "user",
    "content": ["like", {"type": "image", "base64": URI.partition(",")[2]}, "but red"],
}


@pytest.mark.parametrize("message", [OPENAI, HUGGING_FACE, HUGGING_FACE_BASE64])
def test_a_chat_message(message: Mapping[str, Any]) -> None:
    """Catches a message, as OpenAI's or Hugging Face's clients write it, that is refused here."""
    assert shape(message) == ["like", PNG, "but red"]


SYSTEM = {"role": "system", "content": "be brief"}
USER = {"role": "user", "content": "a cat"}


@pytest.mark.parametrize(
    "system",
    [
        SYSTEM,
        {"role": "developer", "content": "be brief"},
        {"role": "system", "content": [{"type": "text", "text": "be brief"}]},
        {"role": "system", "content": ["be ", {"type": "text", "text": "brief"}]},
    ],
)
def test_a_system_turn_is_no_content(system: Mapping[str, Any]) -> None:
    """Catches instructions to the model embedded as if the user had said them."""
    turns: Any
    for turns in ([system, USER], [[system], [USER]], (system, USER)):
        item = normalise(turns)
        assert item.texts == ("a cat",)
        assert item.system == "be brief"
    assert normalise([USER]).system is None
    assert normalise([system, SYSTEM, USER]).system == "be brief\nbe brief"
    assert normalise([{"role": "system", "content": None}, USER]).system is None
    assert normalise([{"role": "system", "content": ""}, USER]).system == ""


@pytest.mark.parametrize("content", ["", " \n", None, [], [{"type": "text", "text": ""}]])
def test_an_empty_assistant_turn_is_left_out(content: Any) -> None:
    """Catches the messages of other servers' clients refused: they end in an empty answer."""
    item = normalise([SYSTEM, USER, {"role": "assistant", "content": content}])
    assert (item.system, item.texts) == ("be brief", ("a cat",))
    assert normalise([USER, {"role": "assistant"}]).texts == ("a cat",)


@pytest.mark.parametrize(
    ("turns", "cause"),
    [
        ([USER, {"role": "assistant", "content": "meow"}], "an assistant turn with text"),
        ([USER, {"role": "tool", "content": "42"}], "has the role 'tool'; expected"),
        ([{"role": 3, "content": "a"}], "has the role '3'; expected"),
        ([{"role": ["user"], "content": "a"}], "has the role .*; expected"),
        ([USER, SYSTEM], "a system turn after another turn; put the system turn first"),
        ([SYSTEM], "is empty: give a user turn after the system turn"),
        (
            [{"role": "system", "content": [PNG]}, USER],
            "a system turn with other content than text",
        ),
        (
            [{"role": "system", "content": {"type": "image", "image": PNG}}, USER],
            "a system turn with other content than text",
        ),
        (
            [USER, {"role": "assistant", "content": 3}],
            "an assistant turn with other content than text",
        ),
    ],
)
def test_turns_that_are_refused(turns: Any, cause: str) -> None:
    """Catches a conversation read as one text, whoever said what."""
    with pytest.raises(ItemError, match=f"^item 7: .*{cause}"):
        normalise(turns, 7)


def test_the_image_url_of_a_file() -> None:
    """Catches the short form {"image_url": path}, and {"path": ...}, refused or read as text."""
    assert shape({"type": "image_url", "image_url": "a.jpg"}) == [Path("a.jpg")]
    assert shape({"type": "image", "path": "a.jpg"}) == [Path("a.jpg")]


def test_an_item_passes_through() -> None:
    """Catches an item normalised twice, or its parts not to be had by kind."""
    item = Item((Text("a"), Image(PNG), Text("b")))
    assert normalise(item) is item
    assert item.texts == ("a", "b")
    assert [image.source for image in item.images] == [PNG]
    assert normalise(item.parts[1]).parts == (item.parts[1],)


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        ("", "empty string"),
        (" \n\t\u00a0", "empty string"),
        ([], "is empty"),
        ([[], []], "is empty"),
        ({}, "is empty"),
        ({"text": None, "image": None}, "is empty"),
        ({"role": "user", "content": []}, "is empty"),
        ({"role": "user", "content": None}, "is of type NoneType"),
        ({"text": ""}, "empty text"),
        ({"text": "  "}, "empty text"),
        ({"image": ""}, "empty image"),
        (["a", ""], "empty string"),
        (None, "is of type NoneType"),
        (3.5, "is of type float"),
        ({"a"}, "is of type set"),
        (_nested(), "is nested too deeply"),
        (["a", 3], "is of type int"),
        ({"text": 3}, '"text" of type int'),
        ({"text": b"red"}, '"text" of type bytes'),
        ({"image": 3}, "is of type int"),
        ({"caption": "red"}, '"caption"; expected "image", "text"'),
        ({"image": "a.jpg", "txt": "red"}, '"txt"'),
        ({"image": "http://example.com/a.jpg"}, "URLs are not downloaded"),
        ({"image": ["https://example.com/a.jpg"]}, "URLs are not downloaded"),
        ({"image_url": {"url": "https://example.com/a.jpg"}}, "URLs are not downloaded"),
        ("data:image/png;base64,AA?A", "base64 is broken"),
        ("data:image/png;base64,AAÄA", "base64 is broken"),
        ({"image": "data:image/png;base64,A"}, "base64 is broken"),
        ({"base64": "~~~~"}, "base64 is broken"),
        ("cut in half \ud83d", r"half a surrogate pair \(U\+D83D\) at character 12"),
        ({"text": "\ude42"}, "half a surrogate pair"),
    ],
)
def test_what_cannot_be_an_item(raw: Any, cause: str) -> None:
    """Catches a mistake told without its place in the list, in many lines, or by a traceback."""
    with pytest.raises(ItemError, match=f"^item 7: .*{cause}") as caught:
        normalise(raw, 7)
    assert caught.value.position == 7
    assert "\n" not in str(caught.value)
    assert str(caught.value) == f"item 7: {caught.value.cause}"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (Path("photos/cat.jpg"), "photos/cat.jpg"),
        (Path("katze ä.jpg"), "katze ä.jpg"),
        (Path("two\nlines.jpg"), r"'two\nlines.jpg'"),
        (b"12345", "<5 bytes>"),
        (PICTURE, "<PIL image>"),
    ],
)
def test_an_image_has_a_name(source: Any, name: str) -> None:
    """Catches an error message that does not say which image, or breaks into two lines."""
    assert str(Image(source)) == name


def test_a_long_name_is_cut() -> None:
    """Catches megabytes of base64, given where a path belongs, poured into the error message."""
    assert len(str(Image(Path("iVBORw0KGgo" * 10_000)))) < 400


def test_a_path_of_another_kind_is_a_file() -> None:
    """Catches a path-like object, such as os.scandir yields, that is refused."""
    assert shape(PureWindowsPath("cat.jpg")) == [Path("cat.jpg")]
