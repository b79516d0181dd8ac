"""The benchmark of prices on a tiny model: that it runs, and that its figures hang together.

No speed is asserted here: on a test machine it means nothing.
"""

import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import prices
from benchmarks.fresh import here
from benchmarks.prices import Settings, describe_size, measure, report, show
from benchmarks.result import WIDTH
from e5v.model import machine
from e5v.model.catalogue_shapes import ANYRES


def test_the_benchmark_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a benchmark that fails, and an error that is not that of its own figures."""
    monkeypatch.setattr(machine, "SECONDS", 0.0)
    settings = Settings(sizes=("tiny",), photos=2, texts=3, dtype="float32")
    rows = list(measure(settings, here))[-1]
    assert [(row.size, row.kind) for row in rows] == [("tiny", "photo"), ("tiny", "text")]
    written = json.loads(json.dumps(report(settings, rows)))
    assert {"machine", "versions", "median_error", "target"} <= written.keys()
    for row in written["rows"]:
        assert row["error"] == abs(row["estimated"] - row["measured"]) / row["measured"]
        assert row["measured"] > 0
    console = Console(width=WIDTH, record=True)
    show(rows, console)
    assert "median error" in console.export_text()


def test_a_size_is_priced_as_a_published_model() -> None:
    """Catches random models that are cut into other tiles than the paper's."""
    assert describe_size("small").rule == ANYRES
    assert describe_size("2b").shape.parameters == pytest.approx(2.0e9, rel=0.05)
    assert describe_size("500m").shape.parameters == pytest.approx(0.58e9, rel=0.05)


def test_settings_are_checked() -> None:
    """Catches a run on nothing, and a size mistyped."""
    with pytest.raises(SystemExit, match="expected sizes of"):
        Settings(sizes=("large",))
    with pytest.raises(SystemExit, match="at least 1"):
        Settings(photos=0)


def test_the_committed_result_meets_its_target() -> None:
    """Catches efficiencies that no longer price the models they were taken from."""
    file = Path(prices.__file__).parent / "results" / "prices-cpu.json"
    result = json.loads(file.read_text())
    assert result["median_error"] <= result["target"] == prices.TARGET
    assert result["machine"]["cpu"]
