"""Composed retrieval of files that are wrong: the row or the image at fault is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e5v.errors import DataError
from e5v.evaluation.composed import read_circo, read_cirr, read_fashioniq
from tests.evaluation.asked import read, write

Change = Callable[[Any], Any]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda row: row | {"reference": "dev-9"}, "entry 2 names the image 'dev-9', which is not"),
        (lambda row: row | {"target_hard": "dev-9"}, "entry 2 names the image 'dev-9'"),
        (lambda row: row | {"img_set": {"members": ["dev-9"]}}, "entry 2 names the image 'dev-9'"),
        (lambda row: row | {"img_set": {"members": []}}, 'entry 2 has an empty list as "members"'),
        (lambda row: row | {"img_set": [1]}, 'entry 2 has "img_set" of type list'),
        (lambda row: row | {"target_hard": row["reference"]}, "entry 2 has a target that is its"),
        (lambda row: row | {"target_hard": "dev-1-0-img0"}, "is not in its img_set"),
        (lambda row: row | {"caption": ""}, 'entry 2 has an empty "caption"'),
        (lambda row: row | {"caption": None}, 'entry 2 has no "caption"; it has pairid, reference'),
        (lambda row: row | {"pairid": 1.5}, 'entry 2 has "pairid" of type float'),
        (lambda row: "dev-0", "entry 2 is a str; expected an object"),
    ],
)
def test_a_wrong_row_of_cirr_is_named(cirr: Path, change: Change, cause: str) -> None:
    """A benchmark of fewer queries, or a traceback."""
    file = cirr / "captions/cap.rc2.val.json"
    rows = read(file)
    write(file, [rows[0], change(rows[1])])
    with pytest.raises(DataError, match=rf"cap.rc2.val.json: 1 of 2 rows .*{cause}"):
        read_cirr(cirr)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda row: row | {"candidate": "B1"}, "entry 1 names the image 'B1'"),
        (lambda row: row | {"target": "B1"}, "entry 1 names the image 'B1'"),
        (lambda row: row | {"captions": ["", " ?"]}, "entry 1 has only blank captions"),
        (lambda row: row | {"captions": ["red", 3]}, 'entry 1 has "captions" of type int'),
        (lambda row: {"candidate": row["candidate"]}, 'entry 1 has no "target"'),
    ],
)
def test_a_wrong_row_of_fashioniq_is_named(fashioniq: Path, change: Change, cause: str) -> None:
    """A category of fewer queries, or a traceback."""
    file = fashioniq / "captions/cap.shirt.val.json"
    rows = read(file)
    write(file, [change(rows[0]), rows[1]])
    with pytest.raises(DataError, match=rf"cap.shirt.val.json: 1 of 2 rows .*{cause}"):
        read_fashioniq(fashioniq)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda row: row | {"gt_img_ids": [4, 9]}, "entry 1 names the image '9'"),
        (lambda row: row | {"gt_img_ids": []}, 'entry 1 has an empty list as "gt_img_ids"'),
        (lambda row: row | {"reference_img_id": 9}, "entry 1 names the image '9'"),
        (lambda row: row | {"relative_caption": " "}, 'entry 1 has an empty "relative_caption"'),
    ],
)
def test_a_wrong_row_of_circo_is_named(circo: Path, change: Change, cause: str) -> None:
    """A mean over fewer queries, or a traceback."""
    file = circo / "annotations/val.json"
    write(file, list(map(change, read(file))))
    with pytest.raises(DataError, match=rf"val.json: 1 of 1 row .*{cause}"):
        read_circo(circo)


def test_missing_images_are_counted(cirr: Path, fashioniq: Path, circo: Path) -> None:
    """A candidates with holes, where everything is easier to find."""
    for n in (1, 3):
        (cirr / f"dev/dev-{n}-0-img0.png").unlink()
    (fashioniq / "images/B000000001.jpg").unlink()
    (circo / "COCO2017_unlabeled/unlabeled2017/000000000005.jpg").unlink()
    with pytest.raises(
        DataError, match=r"2 of 5 images are not in .*; the first is dev-1-0-img0, "
    ):
        read_cirr(cirr)
    with pytest.raises(DataError, match=r"1 of 3 images .* is B000000001, expected at images/B"):
        read_fashioniq(fashioniq)
    with pytest.raises(DataError, match=r"1 of 4 images .* the first is 5, "):
        read_circo(circo)


@pytest.mark.parametrize(
    ("file", "content", "cause"),
    [
        ("captions/cap.rc2.val.json", "", "is not JSON: .*character 1"),
        ("captions/cap.rc2.val.json", "[\n{]", "is not JSON: .*line 2"),
        ("captions/cap.rc2.val.json", "{}", "contains a dict; expected a list of objects"),
        ("captions/cap.rc2.val.json", "[]", "has no rows"),
        ("captions/cap.rc2.val.json", None, "cannot be read: No such file"),
        ("image_splits/split.rc2.val.json", "[]", "is not a JSON object of paths by name"),
        ("image_splits/split.rc2.val.json", '{"a": 1}', "is not a JSON object of paths by name"),
        ("image_splits/split.rc2.val.json", None, "cannot be read: No such file"),
    ],
)
def test_a_wrong_file_is_named(cirr: Path, file: str, content: str | None, cause: str) -> None:
    """A traceback that shows where our code is, not where the mistake is."""
    if content is None:
        (cirr / file).unlink()
    else:
        (cirr / file).write_text(content)
    with pytest.raises(DataError, match=f"{file}.*{cause}"):
        read_cirr(cirr)
    with pytest.raises(DataError, match="unlabeled2017, unlabeled2017, images; expected COCO"):
        read_circo(cirr)
