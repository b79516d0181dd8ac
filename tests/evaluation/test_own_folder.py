"""A user's own folder, and that docs/evaluation-data.md is true of it."""

import json
import re
from pathlib import Path

import pytest

from e5v.errors import DataError
from e5v.evaluation.own_folder import read_folder
from e5v.evaluation.tasks import Grading, Search
from e5v.inputs import Text, normalise
from tests.evaluation.asked import touch

DOCS = (Path(__file__).parents[2] / "docs" / "evaluation-data.md").read_text()
EXAMPLE = re.compile(r"^`([a-z]+\.[a-z]+)` — .*?^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LAYOUT = re.compile(r"^## (\w+)$[^#]*?^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def documented(tmp_path: Path) -> Path:
    """Give the folder that the documentation shows."""
    for name, text in EXAMPLE.findall(DOCS):
        (tmp_path / name).write_text(text)
    touch(tmp_path / "images", ["cat.jpg", "dog.jpg", "red/car.png", "cow.gif"])
    return tmp_path


def test_the_documented_folder(documented: Path) -> None:
    """A format that is documented and not read, or read as something else."""
    material = read_folder(documented)
    images, texts, edits, pairs = material.tasks
    cat, cow, dog, car = (
        documented / "images" / name for name in ("cat.jpg", "cow.gif", "dog.jpg", "red/car.png")
    )
    assert [task.name for task in material.tasks] == [
        "image retrieval",
        "text retrieval",
        "edits",
        "pairs",
    ]
    assert isinstance(images, Search)
    assert isinstance(texts, Search)
    assert images.candidates.items == (cat, dog, car, cow)
    assert [list(true) for true in images.relevance.true] == [[0], [1], [1], [2]]
    assert texts.queries[0].items == [cat, dog, car]
    assert [list(true) for true in texts.relevance.true] == [[0], [1, 2], [3]]

    assert isinstance(edits, Search)
    assert edits.candidates.items == [cat, cow, dog, car]
    assert list(edits.queries[0].items) == [
        {"image": cat, "text": "make it a dog"},
        {"image": dog, "text": "in another colour"},
    ]
    assert edits.relevance.true == [[2], [2, 0]]
    assert edits.relevance.hidden == [[0], []]
    assert (edits.queries[0].kind, edits.queries[0].prompt) == ("composed", "cirr")
    assert (edits.candidates.kind, edits.candidates.prompt) == ("image", "cirr")

    assert isinstance(pairs, Grading)
    assert pairs.left.items == ["A man plays a guitar.", "A dog runs."]
    assert pairs.right.items == ["A man is playing an instrument.", "The stock market fell."]
    assert pairs.grades == [3.8, 0]
    assert (pairs.left.prompt, pairs.right.prompt) == ("sts", "sts")
    assert material.notes == ("candidates only: 1 image without a caption",)


def test_every_format_is_documented(cirr: Path, fashioniq: Path, circo: Path) -> None:
    """A layout in the documentation that our readers do not read; their own tests read these."""
    assert [name for name, _ in EXAMPLE.findall(DOCS)] == [
        "captions.jsonl",
        "edits.jsonl",
        "pairs.tsv",
    ]
    layouts = dict(LAYOUT.findall(DOCS))
    for name, folder in (("CIRR", cirr), ("FashionIQ", fashioniq), ("CIRCO", circo)):
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
        assert set(layouts.pop(name).split()) - files <= {
            "COCO2017_unlabeled/unlabeled2017/000000000001.jpg"
        }
    assert not layouts


@pytest.mark.parametrize(
    ("names", "tasks"),
    [
        (["captions.jsonl"], ["image retrieval", "text retrieval"]),
        (["edits.jsonl"], ["edits"]),
        (["pairs.tsv"], ["pairs"]),
        (["captions.jsonl", "pairs.tsv"], ["image retrieval", "text retrieval", "pairs"]),
    ],
)
def test_any_of_the_files_will_do(documented: Path, names: list[str], tasks: list[str]) -> None:
    """A user who has pairs alone, asked for images."""
    for name, _ in EXAMPLE.findall(DOCS):
        if name not in names:
            (documented / name).unlink()
    assert [task.name for task in read_folder(documented).tasks] == tasks


def test_nothing_there(tmp_path: Path) -> None:
    """A report without a figure."""
    touch(tmp_path, ["images/cat.jpg"])
    with pytest.raises(
        DataError, match=r"has none of captions\.jsonl, edits\.jsonl and pairs\.tsv"
    ):
        read_folder(tmp_path)


def test_all_captions_of_an_image_count(tmp_path: Path) -> None:
    """A rule of COCO's, held against somebody's own data."""
    touch(tmp_path, ["cat.jpg"])
    line = {"image": "cat.jpg", "captions": [f"cat {n}" for n in range(7)]}
    (tmp_path / "captions.jsonl").write_text(json.dumps(line))
    search = read_folder(tmp_path).tasks[0]
    assert isinstance(search, Search)
    assert len(search.relevance.true) == 7


def test_edits_beside_their_images(tmp_path: Path) -> None:
    """A candidates that lacks what an edit names, or has it twice."""
    touch(tmp_path, ["a.png", "b.png", "c.png", "images/d.png"])
    rows = [
        {"image": "a.png", "text": "in red", "target": "b.png", "hidden": ["a.png", "c.png"]},
        {"file": "d.png", "text": "in blue", "target": ["a.png", "b.png"], "hidden": None},
        {"image": "images/d.png", "text": "in green", "target": "a.png", "hidden": "b.png"},
    ]
    (tmp_path / "edits.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (search,) = read_folder(tmp_path).tasks
    assert isinstance(search, Search)
    names = ("images/d.png", "a.png", "b.png", "c.png")
    assert search.candidates.items == [tmp_path / name for name in names]
    assert search.relevance.true == [[2], [1, 2], [1]]
    assert search.relevance.hidden == [[1, 3], [0], [2]]


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ({"image": "x.png", "text": "in red", "target": "b.png"}, "names an image .*'x.png'"),
        ({"image": "a.png", "text": "in red", "target": "x.png"}, "names an image .*'x.png'"),
        ({"image": "a.png", "text": "in red", "target": []}, 'an empty list as "target"'),
        ({"image": "a.png", "text": "in red"}, 'has no "target"; it has image, text'),
        ({"image": "a.png", "text": " ", "target": "b.png"}, 'has an empty "text"'),
        ({"image": "a.png", "text": "in red", "target": "a.png"}, "has a hidden target"),
        (
            {"image": "a.png", "text": "in red", "target": "b.png", "hidden": ["x.png"]},
            "names an image .*'x.png'",
        ),
        (
            {"image": "a.png", "text": "in red", "target": "b.png", "hidden": ""},
            'has an empty "hidden"',
        ),
    ],
)
def test_a_wrong_edit_is_named(tmp_path: Path, row: object, cause: str) -> None:
    """An edit that is left out in silence, or that nothing can answer."""
    touch(tmp_path, ["a.png", "b.png"])
    good = {"image": "a.png", "text": "in red", "target": "b.png"}
    (tmp_path / "edits.jsonl").write_text(f"{json.dumps(good)}\n{json.dumps(row)}\n")
    with pytest.raises(DataError, match=rf"edits.jsonl: 1 of 2 rows .*line 2 .*{cause}"):
        read_folder(tmp_path)


def pairs_of(folder: Path, text: str | bytes) -> Grading:
    """Read pairs.tsv."""
    (folder / "pairs.tsv").write_bytes(text.encode() if isinstance(text, str) else text)
    (task,) = read_folder(folder).tasks
    assert isinstance(task, Grading)
    return task


def test_pairs_of_every_kind(tmp_path: Path) -> None:
    """A first pair taken for a heading; a quote or a carriage return that eats what follows."""
    task = pairs_of(tmp_path, '\ufeffa "cat\tno cat\t1\r\n\r\n b.jpg \tc\t-2.5e0\r\n')
    assert [normalise(item).parts for item in task.left.items] == [
        (Text('a "cat'),),
        (Text("b.jpg"),),
    ]
    assert task.right.items == ["no cat", "c"]
    assert task.grades == [1, -2.5]
    assert pairs_of(tmp_path, "one\ttwo\tScore\na\tb\t1\nc\td\t2").left.items == ["a", "c"]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"a\tb", "line 2 has 2 cells; expected two texts and a grade"),
        (b"a\tb\t1\t", "line 2 has 4 cells"),
        (b"a\t \t1", "line 2 has 3 cells; expected two texts"),
        (b"a\tb\tgood", "line 2 has the grade 'good'; expected a number"),
        (b"a\tb\tnan", "line 2 has the grade 'nan'"),
        (b"a\tb\t", "line 2 has the grade ''"),
        (b"\xff\tb\t1", "line 2 is not UTF-8"),
    ],
)
def test_a_wrong_pair_is_named(tmp_path: Path, line: bytes, cause: str) -> None:
    """A pair that is left out in silence, or graded by something else."""
    with pytest.raises(DataError, match=rf"pairs.tsv: 1 of 2 rows .*{cause}"):
        pairs_of(tmp_path, b"a\tb\t1\n" + line)


def test_a_grade_that_is_no_number_is_no_heading(tmp_path: Path) -> None:
    """The first pair dropped for a slip in its grade."""
    with pytest.raises(DataError, match=r"line 1 has the grade '1,5'"):
        pairs_of(tmp_path, "a\tb\t1,5\nc\td\t2")


@pytest.mark.parametrize(
    ("text", "cause"),
    [("", "has no rows"), ("a\tb\tgrade\n", "has no rows"), ("a\tb\t1\nc\td\t1", "of one grade")],
)
def test_pairs_that_rank_nothing(tmp_path: Path, text: str, cause: str) -> None:
    """A correlation of nothing."""
    with pytest.raises(DataError, match=rf"pairs.tsv.*{cause}"):
        pairs_of(tmp_path, text)


def test_a_file_that_is_named_in_two_ways_is_one_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole paths in a folder that is given relatively: every image twice, and recall at 1 is 0."""
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "own", ["images/a.png", "images/b.png", "c.png"])
    whole, other = str(tmp_path / "own" / "images" / "a.png"), "images/../images/b.png"
    lines = [{"image": name, "text": "x"} for name in (whole, other, "a.png")]
    (tmp_path / "own" / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    edits = [{"image": whole, "text": "x", "target": name} for name in ("../own/c.png", "c.png")]
    (tmp_path / "own" / "edits.jsonl").write_text("\n".join(map(json.dumps, edits)))
    images, _, composed = read_folder(Path("own")).tasks
    assert isinstance(images, Search)
    assert isinstance(composed, Search)
    assert images.candidates.items == (Path("own/images/a.png"), Path("own/images/b.png"))
    assert [list(true) for true in images.relevance.true] == [[0], [0], [1]]
    assert len(composed.candidates.items) == 3
    assert composed.relevance.hidden == [[0], [0]]
