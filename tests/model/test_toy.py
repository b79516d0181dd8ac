"""The demo's small random model."""

from pathlib import Path

import numpy as np

from e5v import E5V
from e5v.model.toy import write_toy

ITEMS = ["a cat", "a rocket on its launch pad", "2024"]


def test_a_seed_is_a_model(tmp_path: Path) -> None:
    """Catches a demo whose table changes from run to run, and one whose cells are all alike."""
    first, again = (
        E5V(write_toy(tmp_path / name), dtype="float32").encode(ITEMS) for name in ("1", "2")
    )
    np.testing.assert_array_equal(first, again)
    assert (first @ first.T)[~np.eye(len(ITEMS), dtype=bool)].max() < 0.99
    other = E5V(write_toy(tmp_path / "3", seed=1), dtype="float32").encode(ITEMS)
    assert np.abs(other - first).max() > 0.1
