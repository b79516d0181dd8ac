"""The map: the plane that shows most, in [0, 1], whatever the number of vectors."""

import numpy as np
import pytest

from e5v.web.projection import project


def test_it_is_the_plane_of_most_variance() -> None:
    """Catches axes that are not the principal ones, and a map that moves from call to call."""
    random = np.random.default_rng(3)
    lengths = np.geomspace(8, 0.1, 40)
    vectors = (random.standard_normal((300, 40)) * lengths + 5).astype(np.float32)
    points = project(vectors)
    centred = vectors - vectors.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    expected = centred @ axes.T
    correlation = np.corrcoef(points.T, expected.T)[:2, 2:]
    np.testing.assert_allclose(np.abs(correlation), np.eye(2), atol=0.02)
    np.testing.assert_array_equal(points, project(vectors))
    assert (points.min(axis=0), points.max(axis=0)) == (
        pytest.approx([0, 0]),
        pytest.approx([1, 1], abs=1e-6),
    )


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("width", [1, 2, 64])
def test_few_vectors(count: int, width: int) -> None:
    """Catches a collection too small for a decomposition, and a division by no spread."""
    rows = np.random.default_rng(0).standard_normal((count, width)).astype(np.float32)
    points = project(rows)
    assert points.shape == (count, 2)
    assert ((points >= 0) & (points <= 1)).all()
    assert (project(np.ones((count, width), np.float32)) == 0.5).all()
