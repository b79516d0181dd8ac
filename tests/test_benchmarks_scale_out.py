"""The benchmark of Ray beside one process, and the sums on paper of docs/scale-out.md."""

import json
from pathlib import Path
from statistics import median

import pytest

from benchmarks import on_paper, scale_out
from benchmarks.fresh import here
from benchmarks.scale_out import Done, Way


def test_ways_do_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a rate of other work, and a report that cannot be written; Ray has its own test."""
    ways = (Way("one process", 1), Way("the same again", 1))
    monkeypatch.setattr(scale_out, "list_ways", lambda _: ways)
    settings = scale_out.Settings(texts=40, part_rows=10, rounds=1)
    found = list(scale_out.measure(settings, here))
    told = json.loads(json.dumps(scale_out.report(settings, found)))
    assert told["same_bits"] == {way.name: True for way in ways}
    assert told["rates"].keys() == {way.name for way in ways}
    assert all(rate > 0 for rate in told["medians"].values())
    other = Done(ways[1].name, 1.0, 1.0, "another digest")
    same = scale_out.report(settings, [*found, other])["same_bits"]
    assert same == {ways[0].name: True, ways[1].name: False}


def test_hours_to_embed() -> None:
    """Catches a wrong formula, against figures worked out by hand: 36.4 and 8.8 TFLOP an image."""
    photo, tile, _ = (1e7 * one.seconds / on_paper.HOUR for one in on_paper.KINDS)
    assert photo == pytest.approx(1e7 * 36.4 / 790 / 3600, rel=0.005)
    assert round(photo) == 128
    assert tile / photo == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("entries", "width", "engine", "bytes_each"),
    [
        (10**6, 4_096, "e5v", 512 + 128 + 8),
        (10**6, 256, "e5v", 32 + 32 + 8),
        (10**8, 4_096, "LanceDB, IvfRq", 512 + 16),
        (10**9, 256, "database of vectors", 32 + 256),
    ],
)
def test_bytes_in_memory(entries: int, width: int, engine: str, bytes_each: int) -> None:
    """Catches a first look counted where there is none, and an engine beyond its size."""
    assert on_paper.find_engine(entries).name == engine
    assert on_paper.count_memory(entries, width) == entries * bytes_each


def test_the_page_has_what_was_measured() -> None:
    """Catches a figure that nobody measured, and one of ways that made other vectors."""
    result = json.loads(scale_out.Settings().out.read_text())
    assert set(result["same_bits"].values()) == {True}
    one, ray = "one process", "2 actors of Ray"
    first = {
        way: median(
            seconds - result["settings"]["texts"] / rate
            for seconds, rate in zip(result["seconds"][way], result["rates"][way], strict=True)
        )
        for way in (one, ray)
    }
    page = " ".join(Path(on_paper.PAGE).read_text(encoding="utf-8").split())
    ratio = result["over_one_process"][ray]
    assert f"encode {ratio:.2f} times as many short texts a second as one process" in page
    assert f"start {first[ray] - first[one]:.0f} s later" in page


def test_the_page_has_the_tables() -> None:
    """Catches a table of an earlier formula: `python -m benchmarks.on_paper`."""
    page = Path(on_paper.PAGE).read_text(encoding="utf-8")
    assert on_paper.write_page(page) == page, "run python -m benchmarks.on_paper"
    assert page.count("on paper -->") == 2 * len(on_paper.TABLES)
