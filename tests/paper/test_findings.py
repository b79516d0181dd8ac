"""What counts as a difference between two rows, or between a row and the paper's."""

import pytest

from e5v.evaluation.benchmarks import MEANS
from e5v.evaluation.published import COLUMNS, MEAN
from paper.findings import Side, expand
from tests.paper.found import make_evaluation, make_findings

ONE, OTHER = Side("text"), Side("untuned")


def test_a_mean_is_that_of_the_report() -> None:
    """Catches a mean over figures that are not the paper's eleven, or with other weights."""
    findings = make_findings({ONE: [0.6]})
    evaluation = make_evaluation(0.6)
    for mean in MEANS:
        key = (mean.title, "mean", mean.metric)
        sample = findings.sample(ONE, key)
        assert sample is not None
        assert sample.mean == pytest.approx(evaluation.value(key, ""))
        assert sum(part.weight for part in expand(key)) == pytest.approx(1)
    assert len(expand(MEAN)) == len(COLUMNS) - 2 + 3 + 7


def test_a_clear_difference_is_told() -> None:
    """Catches a rule that cannot tell 80 from 60 %, or tells them the wrong way round."""
    findings = make_findings({ONE: [0.8], OTHER: [0.6]})
    assert findings.compare(ONE, OTHER, MEAN) == "above"
    assert findings.compare(OTHER, ONE, MEAN) == "below"
    assert findings.compare(ONE, Side("mixed"), MEAN) is None


def test_a_small_difference_is_not() -> None:
    """Catches half a point over 200 queries that is called a result."""
    findings = make_findings({ONE: [0.605], OTHER: [0.6]})
    for key in (MEAN, COLUMNS[0], ("FashionIQ val", "mean", "R@50")):
        assert findings.compare(ONE, OTHER, key) == "level"


def test_seeds_that_differ_make_a_difference_doubtful() -> None:
    """Catches a verdict that hangs on one lucky seed."""
    sure = make_findings({ONE: [0.8, 0.8, 0.8], OTHER: [0.6]})
    doubtful = make_findings({ONE: [0.95, 0.4, 0.95], OTHER: [0.6]})
    assert sure.compare(ONE, OTHER, MEAN) == "above"
    assert doubtful.compare(ONE, OTHER, MEAN) == "level"


def test_a_published_figure_has_an_error_of_its_own() -> None:
    """Catches 79.5 against 78.8 on 200 images that is called ahead."""
    findings = make_findings({ONE: [0.795]})
    key = ("Flickr30K 1K", "image retrieval", "R@1")
    assert findings.judge_against(ONE, key, 78.8) == "level"
    assert findings.judge_against(ONE, key, 58.8) == "above"
    assert findings.judge_against(ONE, key, 93.9) == "below"
    correlation = ("STS12", "STS12", "Spearman")
    assert findings.judge_against(ONE, correlation, 79.0) == "level"
    assert findings.judge_against(ONE, correlation, 60.0) == "above"


def test_captions_of_one_image_are_one_query() -> None:
    """Catches an error that is too small because five captions rise and fall together."""
    sample = make_findings({ONE: [0.5]}).sample(ONE, ("COCO 5K", "image retrieval", "R@5"))
    assert sample is not None
    assert sample.queries == 200
