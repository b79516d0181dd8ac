"""What e5v computes is what it computed before, within the rounding of another machine."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.golden.measure import Golden, compare, measure

RECORD = Path(__file__).with_name("record.json")
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
RELATIVE, ABSOLUTE = 1e-3, 2e-4


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Golden]:
    """Measure everything once."""
    return measure(tmp_path_factory.mktemp("golden"))


@pytest.mark.slow
def test_all_that_was_measured_is_as_before(ours: dict[str, Golden]) -> None:
    """Catches a change of the code that changes a vector, a loss, a metric or an answer."""
    before: dict[str, Golden] = json.loads(RECORD.read_text())
    assert ours.keys() == before.keys()
    assert [name for name in before if not is_near(ours[name], before[name])] == []


def is_near(ours: Golden, before: Golden) -> bool:
    """Tell whether two entries are equal but for the rounding of another machine."""
    if "values" in before:
        same = (ours["shape"], ours["dtype"]) == (before["shape"], before["dtype"])
        if "int8" in before["dtype"]:  # a value next to a step, or a bit next to zero, may turn
            turned = np.subtract(ours["values"], before["values"]) != 0
            return same and turned.sum() <= 1
        return same and _close(ours["values"], before["values"])
    if "text" not in before:
        return bool(ours == before)
    one, other = (NUMBER.split(entry["text"]) for entry in (ours, before))
    numbers: list[Any] = [
        [float(found) for found in NUMBER.findall(entry["text"])] for entry in (ours, before)
    ]
    return one == other and _close(*numbers)


def _close(ours: list[float], before: list[float]) -> bool:
    return bool(np.allclose(ours, before, rtol=RELATIVE, atol=ABSOLUTE))


@pytest.mark.parametrize("change", [1e-3, -1e-2])
def test_a_changed_vector_is_found(change: float) -> None:
    """Catches a comparison that passes whatever it is given."""
    entry = {"values": [0.1, 0.2], "shape": [2], "dtype": "float32", "sha256": "a"}
    other = entry | {"values": [0.1, 0.2 + change], "sha256": "b"}
    assert is_near(entry, entry)
    assert not is_near(other, entry)
    assert len(compare({"one": entry}, {"one": other})) == 1
    assert not is_near({"text": "cosine 0.52"}, {"text": "cosine 0.51"})
    assert not is_near({"text": "cat 0.52"}, {"text": "dog 0.52"})
