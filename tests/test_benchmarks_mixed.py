"""The benchmark of images and texts in one order: that it runs, and that the guide quotes it."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mixed import Settings, measure

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "mixed-cpu.json"
ROWS = {
    "of images": "| 200 captions, each of a scene | 25 % → 56 % | 100 % → 100 % |",
    "of texts": "| 200 sentences, each like another | 12 % → 46 % | 90 % → 87 % |",
    "without an answer": "| 95 sentences about other things | 42 % → 58 % | |",
}


def _percent(share: float) -> str:
    return f"{100 * share + 1e-9:.0f} %"


@pytest.mark.parametrize("queries", ROWS)
def test_the_guide_quotes_the_result(queries: str) -> None:
    """Catches a table in the guide that is not of the committed result."""
    outcomes: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))["outcomes"][queries]
    before, after = outcomes["by cosine"], outcomes["by standard score"]
    row = ROWS[queries]
    assert f"| {_percent(before['images'])} → {_percent(after['images'])} |" in row
    if before["recall"] is not None:
        assert f"{_percent(before['recall'])} → {_percent(after['recall'])} |" in row
    best = " / ".join(str(after["best"].get(match, 0)) for match in ("strong", "weak", "none"))
    assert f"{row} {best} |" in (ROOT / "docs" / "guides" / "search.md").read_text("utf-8")


@pytest.mark.slow
def test_it_runs() -> None:
    """Catches an order by standard score that leaves images out, or finds none of the answers."""
    outcomes = measure(Settings(queries=20, images=40, texts=40))
    for name in ("of images", "of texts"):
        plain, standard = (outcomes[name][way] for way in ("by cosine", "by standard score"))
        assert plain.images < standard.images < 0.85
        assert plain.recall is not None
        assert standard.recall is not None
        assert standard.recall >= plain.recall - 0.1
