"""The benchmark of adopting parts, and its figures in docs/scale-out.md."""

import json
from pathlib import Path

from benchmarks import adopting

PAGE = Path(__file__).parents[1] / "docs" / "scale-out.md"


def test_it_measures_what_it_says() -> None:
    """Catches a report without entries, and time for thumbnails of texts."""
    settings = adopting.Settings(texts=6, photos=3)
    told = json.loads(json.dumps(adopting.report(settings, adopting.measure(settings))))
    texts, photos = (told["adopted"][kind] for kind in ("texts", "photos"))
    assert (texts["entries"], photos["entries"]) == (6, 3)
    assert texts["thumbnails"] == 0 < photos["thumbnails"]
    assert 0 < texts["writing"] < texts["seconds"]


def test_the_page_has_what_was_measured() -> None:
    """Catches a figure that nobody measured."""
    told = json.loads(adopting.Settings().out.read_text())
    rates = [f"{round(told['rates'][kind], -1 if kind == 'photos' else -2):,.0f}" for kind in KINDS]
    shares = [f"{told['share_of_writing'][kind]:.0%}".replace("%", " %") for kind in KINDS]
    page = " ".join(PAGE.read_text().split())
    assert f"adopts {rates[0]} captions or {rates[1]} photos a second" in page
    assert f"writing is {shares[0]} of that for captions and {shares[1]} for photos" in page


KINDS = ("texts", "photos")
