"""Captioned images: who looks for whom, and what a folder or a file of Parquet may look like."""

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import pytest
from PIL import Image, features

from e5v.errors import DataError, UsageError
from e5v.evaluation.caption_images import Layout, draw_caption
from e5v.evaluation.captions import read_captions, rendered
from e5v.evaluation.tasks import Grading, Material, Pool
from e5v.inputs import Text, normalise
from tests.evaluation.asked import items_of, searches_of, told

OTHER_FONT = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def folder_of(folder: Path, *lines: object, images: Sequence[str] = ("cat.jpg", "dog.jpg")) -> Path:
    """Write captions.jsonl and files that stand for images."""
    for name in images:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    written = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "captions.jsonl").write_text("\n".join(written) + "\n")
    return folder


def test_captions_of_every_spelling(tmp_path: Path) -> None:
    """A caption that is lost, or belongs to another image."""
    folder = folder_of(
        tmp_path,
        {"image": "cat.jpg", "text": "a cat"},
        {"file": "dog.jpg", "captions": ["a dog", "an animal "]},
        "",
        {"image": "images/red/car.png", "caption": "a car", "id": 3},
        {"image": "cat.jpg", "caption": ["a kitten"]},
        {"image": "red/car.png", "text": "a red car"},
        images=("cat.jpg", "dog.jpg", "images/red/car.png"),
    )
    images, texts = searches_of(read_captions(folder))
    cat, dog, car = (folder / name for name in ("cat.jpg", "dog.jpg", "images/red/car.png"))
    assert told(images) == {
        "a cat": [cat],
        "a kitten": [cat],
        "a dog": [dog],
        "an animal ": [dog],
        "a car": [car],
        "a red car": [car],
    }
    assert told(texts) == {
        cat: ["a cat", "a kitten"],
        dog: ["a dog", "an animal "],
        car: ["a car", "a red car"],
    }
    assert [images.name, texts.name] == ["image retrieval", "text retrieval"]
    assert images.cutoffs == texts.cutoffs == (1, 5, 10)
    assert [images.candidates.kind, texts.candidates.kind] == ["image", "text"]
    assert {pool.prompt for pool in (images.candidates, texts.candidates)} == {"retrieval"}


def test_the_first_five_captions_count(tmp_path: Path) -> None:
    """COCO with 25,010 captions, whose figures are not the paper's; captions cut in silence."""
    lines = [
        {"image": "cat.jpg", "captions": [f"cat {n}" for n in range(6)]},
        {"image": "dog.jpg", "captions": ["a dog"]},
        {"image": "cat.jpg", "text": "cat 6"},
    ]
    folder = folder_of(tmp_path, *lines)
    material = read_captions(folder)
    images, texts = searches_of(material)
    assert list(told(images)) == [*(f"cat {n}" for n in range(5)), "a dog"]
    assert [list(true) for true in texts.relevance.true] == [[0, 1, 2, 3, 4], [5]]
    assert material.notes == ("left out: 2 captions, beyond the first 5 of their image",)
    whole = read_captions(folder, most=None)
    assert len(searches_of(whole)[0].relevance.true) == 8
    assert whole.notes == ()


def test_an_image_without_caption_is_found_but_does_not_ask(tmp_path: Path) -> None:
    """A query that nothing is right for; an image of the folder that nobody has to tell apart."""
    names = ("images/a.png", "images/cat.jpg", "images/b/c.webp")
    folder = folder_of(
        tmp_path,
        {"image": "cat.jpg", "text": "a cat"},
        images=(*names, "images/notes.txt", "images/.d/x.jpg"),
    )
    material = read_captions(folder)
    images, texts = searches_of(material)
    assert items_of(images.candidates) == tuple(
        folder / f"images/{n}" for n in ("cat.jpg", "a.png", "b/c.webp")
    )
    assert told(images) == {"a cat": [folder / "images/cat.jpg"]}
    assert told(texts) == {folder / "images/cat.jpg": ["a cat"]}
    assert material.notes == ("candidates only: 2 images without a caption",)


def test_a_caption_is_a_text_whatever_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recall of 100 because the query was read as the very image that it names."""
    lines = [{"image": "cat.jpg", "captions": ["cat.jpg", "data:image/png;base64,", "a cat"]}]
    folder = folder_of(tmp_path, *lines)
    monkeypatch.chdir(folder)
    images, _ = searches_of(read_captions(folder))
    items = items_of(images.queries[0])
    assert [normalise(item).parts for item in items] == [
        (Text(text),) for text in ("cat.jpg", "data:image/png;base64,", "a cat")
    ]
    assert items[2] == "a cat"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("{broken", "line 2 is not JSON: "),
        ("[1]", "line 2 is a list; expected an object"),
        ({"text": "a cat"}, 'line 2 has no "image"; it has text'),
        ({"image": "cat.jpg"}, 'line 2 has no "text"; it has image'),
        ({"image": "cow.png", "text": "a cow"}, "line 2 names an image .*: 'cow.png'"),
        ({"image": 3, "text": "a cow"}, 'line 2 has "image" of type int'),
        ({"image": "cat\0.jpg", "text": "a cow"}, "line 2 names an image "),
        ({"image": "c" * 5000, "text": "a cow"}, "line 2 names an image "),
        ({"image": "cat.jpg", "caption": " "}, 'line 2 has an empty "caption"'),
        ({"image": "cat.jpg", "text": []}, 'line 2 has an empty "text"'),
        ({"image": "cat.jpg", "text": ["a cat", 3]}, 'line 2 has "text" of type int'),
        ('{"image": "cat.jpg", "text": "\\ud83d"}', "line 2 has half a surrogate pair"),
        (b"\xff".decode("latin-1"), "line 2 is not JSON"),
        ("[" * 100_000, "line 2 "),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, line: object, cause: str) -> None:
    """A row that is left out in silence, or a traceback for a mistake of the user's."""
    folder = folder_of(tmp_path, {"image": "cat.jpg", "text": "a cat"}, line)
    with pytest.raises(DataError, match=f"captions.jsonl: 1 of 2 rows cannot be used .*{cause}"):
        read_captions(folder)


def test_wrong_rows_are_counted(tmp_path: Path) -> None:
    """A message of a thousand lines, or one that hides how much is missing."""
    lines = [{"image": f"{n}.jpg", "text": "a cat"} for n in range(9)]
    with pytest.raises(DataError, match=r"9 of 9 rows .*line 1 .*'2.jpg'; \.\.\.\)") as error:
        read_captions(folder_of(tmp_path, *lines))
    assert "'3.jpg'" not in str(error.value)


@pytest.mark.parametrize("lines", [[], ["", " "]])
def test_no_rows(tmp_path: Path, lines: list[str]) -> None:
    """A benchmark of nothing, which divides by zero."""
    with pytest.raises(DataError, match=r"captions\.jsonl has no rows"):
        read_captions(folder_of(tmp_path, *lines))


def test_no_captions_at_all(tmp_path: Path) -> None:
    """A folder that is not one, met with a traceback."""
    with pytest.raises(DataError, match="nor Parquet files; expected one"):
        read_captions(tmp_path / "nowhere")


def test_the_revision_tells_data_apart(tmp_path: Path) -> None:
    """Two data sets under one name in a report."""
    revisions = set()
    for text in ("a cat", "a kitten", "a cat"):
        folder = folder_of(tmp_path, {"image": "cat.jpg", "text": text})
        revisions.add(read_captions(folder).revision)
    assert len(revisions) == 2
    assert all(revision.startswith("sha256:") for revision in revisions)


def test_rendered_captions_are_drawn_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """25,000 pictures in memory; a caption drawn for another; targets drawn, too."""
    lines = [
        {"image": "cat.jpg", "captions": ["a cat", "cat.jpg"]},
        {"image": "dog.jpg", "captions": ["a dog"]},
    ]
    plain = read_captions(folder_of(tmp_path, *lines))
    drawn: list[str] = []

    def draw(text: str, font: Path | None, layout: Layout) -> Image.Image:
        drawn.append(text)
        return draw_caption(text, font, layout=layout)

    monkeypatch.setattr("e5v.evaluation.caption_images.draw_caption", draw)
    material = rendered(plain)
    images, texts = searches_of(material)
    assert drawn == []
    for pool in (images.queries[0], texts.candidates):
        assert (pool.kind, pool.prompt, len(items_of(pool))) == ("image", "rendered", 3)
        assert items_of(pool)[1].tobytes() == draw_caption("cat.jpg").tobytes()
        assert [one.tobytes() for one in items_of(pool)[-1:]] == [draw_caption("a dog").tobytes()]
        with pytest.raises(IndexError):
            items_of(pool)[3]
    assert drawn == ["cat.jpg", "a dog"] * 2
    assert [task.relevance for task in (images, texts)] == [
        task.relevance for task in searches_of(plain)
    ]
    assert images.candidates == searches_of(plain)[0].candidates
    assert images.queries[0] is texts.candidates, "one pool in two tasks is drawn once"


def test_the_font_of_rendered_captions_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures of one font taken for those of another; a font that is no font, told at the end."""
    plain = read_captions(folder_of(tmp_path, {"image": "cat.jpg", "text": "a cat"}))
    ours = rendered(plain)
    assert ours.revision == f"{plain.revision}, drawn in Liberation Sans Regular, basic layout"
    assert ours.notes == (
        "captions are drawn in Liberation Sans Regular; the paper's are in Arial Regular",
    )
    other = rendered(plain, OTHER_FONT)
    assert other.revision.endswith("DejaVu Sans Book, basic layout")
    assert (
        items_of(searches_of(other)[0].queries[0])[0].tobytes()
        == draw_caption("a cat", OTHER_FONT).tobytes()
    )
    monkeypatch.setattr("e5v.evaluation.caption_images.PAPERS", "DejaVu Sans Book")
    assert rendered(plain, OTHER_FONT).notes == ()
    with pytest.raises(UsageError, match=r"font .*captions\.jsonl cannot be read"):
        rendered(plain, tmp_path / "captions.jsonl")


@pytest.mark.skipif(not features.check("raqm"), reason="Pillow has no raqm here")
def test_the_layout_of_rendered_captions_is_told(tmp_path: Path) -> None:
    """Catches a layout that is passed over, or figures of the two that look alike."""
    plain = read_captions(folder_of(tmp_path, {"image": "cat.jpg", "text": "a cat"}))
    other = rendered(plain, layout="raqm")
    assert other.revision.endswith("Liberation Sans Regular, raqm layout")
    drawn = items_of(searches_of(other)[0].queries[0])[0]
    assert drawn.tobytes() == draw_caption("a cat", layout="raqm").tobytes()


def test_only_captions_are_drawn() -> None:
    """A benchmark that says I2I and is not."""
    texts = Pool(["a"], "text", "sts")
    with pytest.raises(UsageError, match='task "STS12" has no captions to draw'):
        rendered(Material((Grading("STS12", texts, texts, [1.0]),), "1"))
