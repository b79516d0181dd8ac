"""Held-out data as it is read."""

import json
from pathlib import Path

import numpy as np
import pytest

from e5v.errors import DataError
from e5v.training.validation_data import HeldOut, read_held_out
from tests.training.pictures import write_lines


def _captions(folder: Path, *lines: object) -> Path:
    for name in ("cat.jpg", "dog.jpg", "cow.jpg"):
        (folder / name).touch()
    written = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "captions.jsonl").write_text("\n".join(written) + "\n")
    return folder


def _pairs(held_out: HeldOut) -> set[tuple[str, str]]:
    rows, columns = np.nonzero(held_out.truth)
    names = [Path(candidate).name for candidate in held_out.candidates]
    return {(held_out.queries[i], names[j]) for i, j in zip(rows, columns, strict=True)}


def test_captions_of_every_spelling(tmp_path: Path) -> None:
    """A caption that is lost, or goes with another image."""
    folder = _captions(
        tmp_path,
        {"image": "cat.jpg", "text": " a cat "},
        {"file": "dog.jpg", "captions": ["a dog", "a cat"]},
        "",
        {"image": "cow.jpg", "caption": "a cow", "id": 3},
        {"image": "cat.jpg", "caption": ["a kitten"]},
    )
    held_out = read_held_out(folder, 10)
    assert [path.name for path in held_out.images] == ["cat.jpg", "dog.jpg", "cow.jpg"]
    assert held_out.queries == ("a cat", "a dog", "a cow", "a kitten")
    assert _pairs(held_out) == {
        ("a cat", "cat.jpg"),
        ("a cat", "dog.jpg"),
        ("a dog", "dog.jpg"),
        ("a cow", "cow.jpg"),
        ("a kitten", "cat.jpg"),
    }
    assert not held_out.own.any()


def test_triplets_that_repeat_themselves(tmp_path: Path) -> None:
    """A true answer that counts as false: the positive of another row of the same anchor."""
    file = tmp_path / "pairs.csv"
    file.write_text("anchor,positive,negative\na,b,c\na,d,\nb,a,c\ne, b ,a\n")
    held_out = read_held_out(file, 10)
    assert held_out.images == []
    assert held_out.queries == ("a", "b", "e")
    assert held_out.candidates == ("b", "d", "a", "c")
    assert _pairs(held_out) == {("a", "b"), ("a", "d"), ("b", "a"), ("e", "b")}
    assert np.argwhere(held_out.own).tolist() == [[0, 2], [1, 0]]


def test_the_first_rows_are_used(tmp_path: Path) -> None:
    """Figures of two runs that were measured on different rows; rows left out without a word."""
    lines = [{"image": "cat.jpg", "text": [f"a {n}", f"b {n}"]} for n in range(5)]
    held_out = read_held_out(_captions(tmp_path, *lines), 3)
    assert held_out.queries == ("a 0", "b 0", "a 1", "b 1", "a 2", "b 2")
    assert held_out.left_out == 2
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(f'{{"anchor": "a{n}", "positive": "b{n}"}}\n' for n in range(5)))
    held_out = read_held_out(file, 4)
    assert held_out.queries == ("a0", "a1", "a2", "a3")
    assert (held_out.left_out, read_held_out(file, 5).left_out) == (1, 0)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("{broken", "line 2 is not JSON: "),
        ("[1]", "line 2 is a list; expected"),
        ({"text": "a cat"}, 'line 2 has no "image"; it has text'),
        ({"image": "cat.jpg"}, 'line 2 has no "text"; it has image'),
        ({"image": "cow.png", "text": "a cow"}, "line 2 names an image .*: 'cow.png'"),
        ({"image": 3, "text": "a cow"}, 'line 2 has "image" of type int'),
        ({"image": "cat\0.jpg", "text": "a cow"}, "line 2 names an image "),
        ({"image": "c" * 300, "text": "a cow"}, "line 2 names an image "),
        ({"image": "cat.jpg", "text": " "}, 'line 2 has an empty "text"'),
        ({"image": "cat.jpg", "text": []}, 'line 2 has an empty "text"'),
        ({"image": "cat.jpg", "text": ["a cat", 3]}, 'line 2 has "text" of type int'),
        ('{"image": "cat.jpg", "text": "\\ud83d"}', "line 2 has half a surrogate pair"),
        ("[" * 100_000, "line 2 "),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, line: object, cause: str) -> None:
    """A row that is left out in silence, or a traceback for a mistake of the user's."""
    right = {"image": "cat.jpg", "text": "a cat"}
    with pytest.raises(DataError, match=rf"1 held-out row .*captions\.jsonl, {cause}") as caught:
        read_held_out(_captions(tmp_path, right, line, right), 1)
    assert "\n" not in str(caught.value)


def test_wrong_triplets_are_named(tmp_path: Path) -> None:
    """Two models measured on different rows, because a row broke in between."""
    file = tmp_path / "pairs.csv"
    file.write_text("anchor,positive\na,b\n,c\n,d\n,e\n,f\n")
    with pytest.raises(
        DataError, match=r"^4 held-out rows .*row 2: .*row 3: .*row 4: .*; \.\.\.\)"
    ):
        read_held_out(file, 1)


def test_nothing_to_read(tmp_path: Path) -> None:
    """A folder of images alone, an empty list, a file that is not there."""
    with pytest.raises(DataError, match=r"captions\.jsonl cannot be read: No such file"):
        read_held_out(tmp_path, 10)
    with pytest.raises(DataError, match=r"captions\.jsonl is empty; expected lines like"):
        read_held_out(_captions(tmp_path), 10)
    with pytest.raises(DataError, match=r"none\.csv"):
        read_held_out(tmp_path / "none.csv", 10)


def test_captions_with_instructions_are_refused(folder: Path) -> None:
    """A model trained with instructions that is measured without; empty ones are none."""
    lines = (folder / "captions.jsonl").read_text().splitlines()
    rows = [json.loads(line) | {"id": 3, "instruction": ""} for line in lines]
    write_lines(folder / "captions.jsonl", rows)
    assert len(read_held_out(folder, 10).queries) == len(rows)
    write_lines(folder / "captions.jsonl", [rows[0], rows[1] | {"instruction": "Find it"}])
    with pytest.raises(DataError, match=r"1 held-out row .*line 2: instruction is an instruction"):
        read_held_out(folder, 10)
