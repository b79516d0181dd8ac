"""Table 6 of the paper, beside the figures of a prompt."""

from typing import get_args

import pytest

from e5v.evaluation.benchmarks import BENCHMARKS, MEANS
from e5v.evaluation.published import (
    COLUMNS,
    IMAGE_TEXT,
    MEAN,
    OTHER_MODEL,
    OTHERS,
    OWN_WORDING,
    TUNED,
    UNTUNED,
    PaperPrompt,
    add_published,
)
from e5v.evaluation.scores import Figure

EVERY = [Figure(*column, 50.0, 99.9) for column in (*COLUMNS, MEAN)]


@pytest.mark.parametrize("asked", get_args(PaperPrompt))
def test_a_row_has_the_mean_that_the_paper_prints(asked: PaperPrompt) -> None:
    """A figure that is mistyped, or a row that is shifted by a column."""
    others = (row for rows in OTHERS.values() for row in rows.values())
    for row in (UNTUNED[asked], TUNED[asked], IMAGE_TEXT, *others):
        *cells, mean = row
        assert len(cells) == len(COLUMNS)
        assert sum(cells) / len(cells) == pytest.approx(mean, abs=0.051)


def test_the_last_row_is_of_the_model_in_the_other_tables() -> None:
    """Columns whose order is not the paper's, or names that no benchmark gives its figures."""
    known = {
        (one.title, task, metric): figure
        for one in BENCHMARKS
        for (task, metric), figure in one.paper.items()
    }
    known |= {(one.title, "mean", one.metric): one.paper for one in MEANS}
    for column, figure in zip((*COLUMNS, MEAN), TUNED["one word"], strict=True):
        assert figure == pytest.approx(known[column], abs=0.051)


def test_figures_stand_beside_those_of_the_same_prompt() -> None:
    """The best prompt's figures beside the worst, or a tuned model's beside one that is not."""
    for tuned, table in ((False, UNTUNED), (True, TUNED)):
        for asked, row in table.items():
            if (asked, tuned) != ("one word", True):
                papers = [one.paper for one in add_published(EVERY, asked, tuned=tuned)]
                assert papers == list(row)
    assert add_published(EVERY, "one word", tuned=True) == EVERY
    other = Figure("COCO 5K", "image retrieval", "R@1", 50.0, 52.0)
    assert [one.paper for one in add_published([other], "one word", tuned=False)] == [None]


def test_what_the_paper_did_not_try_stands_alone() -> None:
    """A read-out of ours that seems to fall short of the paper's at the same place."""
    assert all(one.paper is None and not one.note for one in add_published(EVERY, None, tuned=True))


def test_a_row_says_where_the_question_is_another() -> None:
    """A wording of ours for edits, taken for the paper's; one model beside three."""
    cirr, coco = (
        Figure(*column, 50.0, 99.9, "fewer images") for column in (COLUMNS[4], COLUMNS[2])
    )
    notes = [
        [one.note for one in add_published([cirr, coco], "prompt", tuned=tuned)]
        for tuned in (False, True)
    ]
    assert notes[0] == [f"fewer images; {OWN_WORDING}", "fewer images"]
    assert notes[1] == [
        f"fewer images; {OTHER_MODEL}; {OWN_WORDING}",
        f"fewer images; {OTHER_MODEL}",
    ]
    assert add_published([cirr], "one word", tuned=False)[0].note == "fewer images"
