"""The measures of retrieval that training and evaluation share."""

import numpy as np
import pytest

from e5v.retrieval import centroid_distance, count_ahead, recall_at, true_ranks


def test_ranks_count_the_false_candidates_ahead_and_the_true_ones_before() -> None:
    """Would catch ranks from 1, and true candidates that push each other down."""
    scores = np.array([[0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4]])
    truth = np.array([[True, False, True, False], [True, False, False, False]])
    ranks = true_ranks(scores, truth)
    assert [row.tolist() for row in ranks] == [[0, 2], [3]]
    assert [recall_at(ranks, k) for k in (1, 3, 4)] == [0.5, 0.5, 1.0]


def test_a_tie_with_a_false_candidate_is_a_miss() -> None:
    """Would catch a model that gives one vector to everything, and scores 100 %."""
    ranks = true_ranks(np.ones((2, 3)), np.eye(2, 3, dtype=bool))
    assert recall_at(ranks, 1) == 0
    assert recall_at(ranks, 3) == 1


@pytest.mark.parametrize("score", [np.nan, -np.inf])
def test_a_score_that_is_not_a_number_never_wins(score: float) -> None:
    """Would catch a diverged model that is reported as perfect."""
    ranks = true_ranks(np.array([[score, 0.1]]), np.array([[True, False]]))
    assert recall_at(ranks, 1) == 0


def test_a_candidate_that_is_left_out_does_not_compete() -> None:
    """Would catch the query's own text counted as a rival."""
    assert count_ahead(np.array([-np.inf, 0.2]), np.array([0.5, 0.1])).tolist() == [0, 1]


def test_the_distance_of_centroids_is_that_of_the_means() -> None:
    """Would catch the mean of the distances, which is not 0 for equal sets."""
    rows = np.eye(4, dtype=np.float32)
    assert centroid_distance(rows, rows[::-1]) == 0
    assert centroid_distance(rows[:1], rows[1:2]) == pytest.approx(2**0.5)
    assert centroid_distance(rows, rows, np.float64) == 0
