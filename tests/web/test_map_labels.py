"""Groups of the map, and the words for them."""

from dataclasses import replace

import numpy as np
import pytest

from e5v import E5V
from e5v.vectors import unit
from e5v.web.map_labels import group_points
from tests.web.asking import Ask
from tests.web.shelf import Shelf

pytestmark = pytest.mark.anyio


def test_groups_are_those_that_lie_together() -> None:
    """Catches a group of points from two places, and a centre that is not of its own points."""
    draw = np.random.default_rng(0)
    corners = np.array([[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]], np.float32)
    sizes = (12, 9, 6)
    places = np.concatenate(
        [
            corner + 0.02 * draw.standard_normal((n, 2))
            for corner, n in zip(corners, sizes, strict=True)
        ]
    ).astype(np.float32)
    vectors = np.repeat(np.eye(3, 8, dtype=np.float32), sizes, axis=0)
    groups = group_points(places, vectors)
    assert [group.count for group in groups] == list(sizes)
    for group, corner, axis in zip(groups, corners, np.eye(3, 8), strict=True):
        assert (group.x, group.y) == pytest.approx(corner.tolist(), abs=0.05)
        np.testing.assert_allclose(group.vector, axis, atol=1e-6)
    assert group_points(places[:10], vectors[:10]) == []


async def test_labels_are_what_the_model_says_of_a_group(
    ask: Ask, model: E5V, shelf: Shelf
) -> None:
    """Catches labels of another version, words that are repeated, and a map without any."""
    async with ask() as asker:
        assert (await asker.client.get("/v1/labels")).json() == {"labels": []}  # of five entries
    many = 8
    shelf.shelved = [replace(one, id=f"{one.id}.{n}") for one in shelf.shelved for n in range(many)]
    shelf.rows = unit(np.repeat(shelf.rows, many, axis=0))
    async with ask() as asker:
        labels = (await asker.client.get("/v1/labels")).json()["labels"]
        points = (await asker.client.get("/v1/map")).json()["points"]
        words = (await asker.search(like=f"{shelf.shelved[0].id}")).json()["words"]
    assert words
    assert len({label["word"] for label in labels}) == len(labels)
    assert all(label["count"] >= many for label in labels)
    assert {(label["x"], label["y"]) for label in labels} <= {
        (point["x"], point["y"]) for point in points
    }
