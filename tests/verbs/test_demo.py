"""`e5v demo`: the path without the network, and photos that may be given away."""

import json
from pathlib import Path

import pytest

from e5v.cli import main
from tests.verbs.done import PHOTOS, Run


def test_demo(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a demo that needs the network, or a table without photos, captions or honesty."""
    assert main(["demo", "--photos", str(PHOTOS)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert all(path.name in shown.out for path in PHOTOS.glob("*.jpg"))
    assert all(word in shown.out for word in ("rocket", "walruses", "random"))


def test_demo_with_a_model_of_ones_own(run: Run) -> None:
    """Catches a real model that is called random."""
    done = run("demo", "--photos", PHOTOS)
    assert (done.code, "random" in done.out) == (0, False)


@pytest.mark.parametrize("text", [None, "", "{}", "no json"])
def test_demo_without_photos(run: Run, tmp_path: Path, text: str | None) -> None:
    """Catches a traceback where the examples are not at hand."""
    if text is not None:
        (tmp_path / "captions.jsonl").write_text(text)
    done = run("demo", "--photos", tmp_path)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"{tmp_path}/captions.jsonl" in done.err


def test_the_photos_are_small_and_credited() -> None:
    """Catches a photo without its author and licence, or one that bloats the repository."""
    credits = (PHOTOS / "CREDITS.md").read_text()
    entries = [json.loads(line) for line in (PHOTOS / "captions.jsonl").read_text().splitlines()]
    assert sorted(entry["image"] for entry in entries) == sorted(
        path.name for path in PHOTOS.glob("*.jpg")
    )
    for path in PHOTOS.glob("*.jpg"):
        assert f"`{path.name}`" in credits
        assert path.stat().st_size < 25_000
