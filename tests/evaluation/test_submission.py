"""What test servers are sent."""

import json
from pathlib import Path

import numpy as np
import pytest

from e5v.errors import DataError
from e5v.evaluation.composed import read_circo, read_cirr
from e5v.evaluation.submission import FORMS, submission_json
from e5v.evaluation.tasks import Pool, Submission


def cirr_of(folder: Path) -> Submission:
    """Give CIRR's test split."""
    (task,) = read_cirr(folder, "test1").tasks
    assert isinstance(task, Submission)
    return task


RANKED = [[0, 4, 3, 2, 1], [1, 3, 0, 2, 4]]  # of all images, references among them


def names(*places: int) -> list[str]:
    """Name images of CIRR's."""
    return [f"dev-{place}-0-img0" for place in places]


def test_cirr_is_sent_two_files(cirr: Path) -> None:
    """A file that the server refuses; a reference or a stranger in the answers."""
    task = cirr_of(cirr)
    assert json.loads(submission_json(task, RANKED, "recall")) == {
        "version": "rc2",
        "metric": "recall",
        "12": names(4, 3, 2, 1),
        "13": names(1, 0, 2, 4),
    }
    assert json.loads(submission_json(task, list(np.array(RANKED)), "recall_subset")) == {
        "version": "rc2",
        "metric": "recall_subset",
        "12": names(2, 1),
        "13": names(0, 4),
    }


def test_circo_is_sent_numbers(circo: Path) -> None:
    """Names where the server wants numbers."""
    (task,) = read_circo(circo, "test").tasks
    assert isinstance(task, Submission)
    assert json.loads(submission_json(task, [[2, 0, 1, 3]], "map")) == {"0": [4, 3, 1, 5]}


def test_no_more_than_the_server_takes() -> None:
    """A file too large for the server; one that is cut before the hidden are taken out."""
    pool = Pool([f"{n}" for n in range(60)], "image")
    ids, names = ["7"], [f"{n}" for n in range(60)]
    task = Submission("CIRR", (pool,), pool, ids, names, [[3]], [[50, 51, 52, 53, 54]])
    sent = {one: json.loads(submission_json(task, [range(60)], one))["7"] for one in FORMS}
    assert sent["recall"] == [str(n) for n in range(51) if n != 3]
    assert sent["recall_subset"] == ["50", "51", "52"]
    assert sent["map"] == [n for n in range(51) if n != 3]


def test_an_answer_that_lacks_images_is_refused(cirr: Path) -> None:
    """A submission spent, of few a day, on half of the answers."""
    task = cirr_of(cirr)
    with pytest.raises(DataError, match="1 queries are ranked; expected all 2 of CIRR"):
        submission_json(task, RANKED[:1], "recall")
    with pytest.raises(
        DataError, match="query 13 of CIRR has 2 images ranked; its server takes 50"
    ):
        submission_json(task, [RANKED[0], [1, 3, 0]], "recall")
    with pytest.raises(DataError, match="query 12 of CIRR has 1 images ranked; its server takes 3"):
        submission_json(task, [[0, 4, 2], RANKED[1]], "recall_subset")


def test_two_queries_of_one_id_are_refused(cirr: Path) -> None:
    """An answer that is overwritten by another."""
    file = cirr / "captions/cap.rc2.test1.json"
    rows = json.loads(file.read_text())
    file.write_text(json.dumps([row | {"pairid": 12} for row in rows]))
    with pytest.raises(DataError, match="each with an id of its own"):
        submission_json(cirr_of(cirr), RANKED, "recall")
