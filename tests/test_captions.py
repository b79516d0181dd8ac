"""One file of captions, read by each of the four that use it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from e5v.captions import read_captions, read_edits
from e5v.errors import DataError, E5VError
from e5v.evaluation.captions import read_captions as read_for_evaluation
from e5v.evaluation.tasks import Search
from e5v.inputs import IMAGE_SUFFIXES, normalise
from e5v.jsonl import LineFault
from e5v.search.readers import Line, read_lines
from e5v.training.validation_data import read_held_out
from e5v.verbs.inputs import gather

EXAMPLES = Path(__file__).parents[1] / "examples"

Pairs = set[tuple[str, str]]  # the name of an image from the folder, and a caption
Use = Callable[[Path], Pairs]


def index(folder: Path) -> Pairs:
    """Return what the index reads; several captions are lines of one text."""
    pairs: Pairs = set()
    for line in read_lines(str(folder / "captions.jsonl")):
        if not isinstance(line, Line) or line.image is None:
            raise DataError(f"{line}")
        if not os.path.isfile(line.image):  # noqa: PTH113
            raise DataError(f"line {line.number} names an image")  # as when its file is read
        pairs |= {(_named(line.image, folder), text) for text in line.text.split("\n")}
    return pairs


def encode(folder: Path) -> Pairs:
    """Return what `e5v encode` embeds, called from another folder."""
    pairs: Pairs = set()
    for asked in gather([str(folder / "captions.jsonl")]):
        if asked.fault:
            raise DataError(asked.fault)
        item = normalise(asked.raw)
        (image,) = item.images
        pairs |= {(_named(image.source, folder), text) for text in item.texts}
    return pairs


def evaluate(folder: Path) -> Pairs:
    """Return what is looked for in which image."""
    search = read_for_evaluation(folder).tasks[0]
    assert isinstance(search, Search)
    images, texts = search.candidates.items, search.queries[0].items
    owners = [own[0] for own in search.relevance.true]
    return {
        (_named(images[owner], folder), normalise(text).texts[0])
        for owner, text in zip(owners, texts, strict=True)
    }


def train(folder: Path) -> Pairs:
    """Return what `e5v train --evaluation` measures on."""
    held_out = read_held_out(folder, 1_000)
    return {
        (_named(candidate, folder), query)
        for row, query in zip(held_out.truth, held_out.queries, strict=True)
        for true, candidate in zip(row, held_out.candidates, strict=True)
        if true
    }


def _named(path: object, folder: Path) -> str:
    return os.path.relpath(str(path), folder)


def folder_of(folder: Path, content: bytes) -> Path:
    """Write captions.jsonl beside images, of which one is in images/ alone."""
    for name in ("cat.png", "dog.jpg", "images/cow.png", "images/cat.png", "images/a b/c.gif"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"an image")
    (folder / "captions.jsonl").write_bytes(content)
    return folder


def lines(*values: object) -> bytes:
    """Return values as JSON lines, strings as they are."""
    written = [one if isinstance(one, str) else json.dumps(one) for one in values]
    return ("\n".join(written) + "\n").encode()


CAT = {"image": "cat.png", "text": "a cat"}
CAT_LINE = b'{"image": "cat.png", "text": "a cat \xc3\xa9"}'
ACCENT = {("cat.png", "a cat é")}
USES = pytest.mark.parametrize("use", [index, encode, evaluate, train])


@USES
@pytest.mark.parametrize(
    ("content", "pairs"),
    [
        (lines(CAT), {("cat.png", "a cat")}),
        (lines({"file": "cat.png", "text": "a cat"}), {("cat.png", "a cat")}),
        (lines({"file_name": "dog.jpg", "caption": "a dog"}), {("dog.jpg", "a dog")}),
        (lines({"filename": "dog.jpg", "caption": "a dog"}), {("dog.jpg", "a dog")}),
        (lines({"image_path": "dog.jpg", "caption": "a dog"}), {("dog.jpg", "a dog")}),
        (lines({"img": "dog.jpg", "captions": "a dog"}), {("dog.jpg", "a dog")}),
        (lines({"path": "dog.jpg", "texts": ["a dog"]}), {("dog.jpg", "a dog")}),
        (
            lines({"image": "dog.jpg", "captions": ["a dog", "a pet"]}),
            {("dog.jpg", "a dog"), ("dog.jpg", "a pet")},
        ),
        (lines({"image": "cow.png", "text": "a cow"}), {("images/cow.png", "a cow")}),
        (lines({"image": "images/cow.png", "text": "a cow"}), {("images/cow.png", "a cow")}),
        (lines({"file": "a b/c.gif", "text": "c"}), {("images/a b/c.gif", "c")}),
        (lines({"image": " cat.png\n", "text": "a cat"}), {("cat.png", "a cat")}),
        (lines({**CAT, "id": 7, "source": "web", "width": 3}), {("cat.png", "a cat")}),
        (lines({**CAT, "caption": "another"}), {("cat.png", "a cat")}),
        (lines({**CAT, "text": None, "caption": "other"}), {("cat.png", "other")}),
        (lines({**CAT, "text": " ", "caption": "other"}), {("cat.png", "other")}),
        (lines({**CAT, "path": "dog.jpg"}), {("cat.png", "a cat")}),
        (b"\xef\xbb\xbf" + CAT_LINE, ACCENT),
        (CAT_LINE + b"\n\xef\xbb\xbf" + CAT_LINE, ACCENT),
        (b"\n \n" + CAT_LINE + b"\r\n\r\n", ACCENT),
        (CAT_LINE + b"\r" + CAT_LINE, ACCENT),
        (CAT_LINE.decode().encode("utf-16"), ACCENT),
        (CAT_LINE.decode().encode("utf-16-le"), ACCENT),
        (CAT_LINE.decode().encode("utf-32"), ACCENT),
        (
            lines('{"image": "cat.png", "text": "a\u2028b \\ud83d\\ude00"}'),
            {("cat.png", "a\u2028b 😀")},
        ),
    ],
)
def test_all_uses_read_the_same(
    use: Use,
    content: bytes,
    pairs: Pairs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An image with a caption to one verb, a text to another, and missing to a third."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert use(folder_of(tmp_path / "data", content)) == pairs


@USES
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{broken", "line 3 is not JSON: Expecting property name enclosed in double quotes"),
        (b'{"image": "cat.png", "text": NaN}', "line 3 is not JSON: NaN is not a JSON number"),
        (b'{"image": "cat.png", "text": -Infinity}', "line 3 is not JSON: -Infinity is not"),
        (b'{"id": %s}' % (b"1" * 5_000), "line 3 is not JSON: Exceeds the limit"),
        (b"[" * 100_000, "line 3 cannot be read as JSON: it is nested too deeply"),
        (b"[" * 9_000 + b"]" * 9_000, "nested too deeply"),
        (b'{"image": "cat.png", "text": "caf\xe9"}', "line 3 is not UTF-8 (byte 0xE9"),
        (b'{"image": "cat.png", "text": "\\ud83d"}', "line 3 has half a surrogate pair (U+D83D)"),
        (b'{"image": "cat.png", "text": "a", "id": "\\ud83d"}', "line 3 has half a surrogate pair"),
        (b"17", "line 3 is "),
        (b"null", "line 3 is "),
        (b'{"image": "cow.jpg", "text": "a cow"}', "line 3 names an image"),
        (b'{"image": "images", "text": "a cow"}', "line 3 names an image"),
        (b'{"image": "c\\u0000.jpg", "text": "a cow"}', "line 3 names an image"),
        (b'{"file": "cow.jpg", "text": "a cow"}', "line 3 names an image"),
        (b'{"image": "", "text": "a cow"}', 'line 3 has an empty "image"'),
        (b'{"image": 3, "text": "a cow"}', 'line 3 has "image" of type int'),
        (
            b'{"image": "http://x.de/cat.png", "text": "a"}',
            "line 3 is the URL 'http://x.de/cat.png'",
        ),
        (
            b'{"url": "https://x.de/cat.png?s=3", "text": "a"}',
            "line 3 is the URL 'https://x.de/cat.png",
        ),
        (b'{"image": "cat.png", "text": 3}', 'line 3 has "text" of type int; expected a string'),
        (b'{"image": "cat.png", "text": ["a", 3]}', 'line 3 has "text" of type int'),
        (b'{"image": "cat.png", "text": ["a", " "]}', 'line 3 has an empty text in "text"'),
        (b'{"imge": "cat.png", "text": "a cat"}', "line 3 has the key 'imge'; did you mean"),
        (b'{"image": "cat.png", "captoin": "a"}', "line 3 has the key 'captoin'; did you mean"),
        (b'{"photo": "cat.png", "text": "a cat"}', "line 3 has an image under 'photo'; expected"),
        (b'{"colour": "red"}', "line 3 has no text and no image; it has colour"),
        (b"{}", "line 3 has no text and no image; it has nothing"),
    ],
)
def test_all_uses_find_the_same_fault(
    use: Use, line: bytes, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that one verb refuses and another takes for something, or that has no number."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    folder = folder_of(tmp_path / "data", CAT_LINE + b"\n\n" + line + b"\n" + CAT_LINE)
    with pytest.raises(E5VError) as caught:
        use(folder)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_says_where_it_comes_from(tmp_path: Path) -> None:
    """A text refused, or taken for an image, because a key names its document or page."""
    texts = [
        {"text": "one", "file": "notes.pdf"},
        {"text": "two", "url": "https://example.com/page"},
        {"text": "three", "path": "docs/readme", "target": 1},
        {"text": "four", "image_id": 3, "id": "cat.png", "url": ""},
    ]
    folder = folder_of(tmp_path, lines(*texts))
    read = list(read_captions(folder / "captions.jsonl"))
    assert [(line.image, line.texts) for line in read if not isinstance(line, LineFault)] == [
        (None, ("one",)),
        (None, ("two",)),
        (None, ("three",)),
        (None, ("four",)),
    ]
    raws = [asked.raw for asked in gather([str(folder / "captions.jsonl")])]
    assert raws == [{"text": text} for text in ("one", "two", "three", "four")]


def test_edits_are_not_captions(tmp_path: Path) -> None:
    """The words of an edit taken for the caption of the image from which it starts."""
    edit = {"file": "cat.png", "text": "as a cow", "target": ["cow.png"]}
    folder = folder_of(tmp_path, lines(edit))
    (fault,) = read_captions(folder / "captions.jsonl")
    assert isinstance(fault, LineFault)
    assert 'has a "target"' in fault.reason
    (read,) = read_edits(folder / "captions.jsonl")
    assert not isinstance(read, LineFault)
    assert (read.image, read.targets) == (folder / "cat.png", (folder / "images/cow.png",))


def test_names_of_two_spellings_are_one_image_to_train(tmp_path: Path) -> None:
    """An image that is in the candidates twice, so that one of them counts as wrong."""
    whole = str(tmp_path / "cat.png")
    names = ("cat.png", whole, f"file://{whole}", "images/../cat.png")
    folder = folder_of(tmp_path, lines(*({"image": name, "text": name} for name in names)))
    assert len(read_held_out(folder, 100).candidates) == 1


def test_the_examples_are_read_by_all() -> None:
    """The folders of the README, refused because of their own layout."""
    for name, captions in (("scenes", 500), ("photos", 104)):
        folder = EXAMPLES / name
        pairs = index(folder)
        assert len(pairs) == captions
        assert encode(folder) == evaluate(folder) == pairs
        assert train(folder) == {(image, text.strip()) for image, text in pairs}


def test_every_suffix_of_an_image_makes_a_file_an_image(tmp_path: Path) -> None:
    """A format that can be embedded and whose name under "file" is ignored."""
    names = [f"a{suffix.upper()}" for suffix in sorted(IMAGE_SUFFIXES)]
    folder = folder_of(tmp_path, lines(*({"file": name, "text": "a"} for name in names)))
    for name in names:
        (folder / name).touch()
    assert index(folder) == {(name, "a") for name in names}
