"""`e5v evaluate` as a user meets it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from e5v.cli import main

Checkpoints = Callable[[str], Path]


@pytest.fixture
def folder(tmp_path: Path, photos: list[Image.Image]) -> Path:
    """Give a folder of four captioned images."""
    (tmp_path / "own" / "images").mkdir(parents=True)
    rows = []
    for number, photo in enumerate(photos):
        photo.save(tmp_path / "own" / "images" / f"{number}.png")
        rows.append(json.dumps({"image": f"{number}.png", "text": f"photo {number}"}))
    (tmp_path / "own" / "captions.jsonl").write_text("\n".join(rows))
    return tmp_path / "own"


def test_figures_and_a_report(
    folder: Path, checkpoints: Checkpoints, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures on the terminal that are not those of the report."""
    model, out = str(checkpoints("llava_next_llama3")), tmp_path / "report"
    command = ["evaluate", model, "--data", str(folder), "--out", str(out), "--ablate", "prompt"]
    assert main([*command, "--cache", str(tmp_path / "cache.db"), "--gap"]) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert len(lines) == 3 * 6
    assert {line["benchmark"] for line in lines} == {
        f"own folder, {label}" for label in ("no prompt", "prompt", "one word")
    }
    assert "no gap was measured" in printed.err
    report = json.loads((out / "report.json").read_text())
    assert len(report["figures"]) == len(lines)
    assert (out / "report.html").read_text().startswith("<!")


def test_mistakes_are_told_in_a_line(
    folder: Path, checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that is opened for minutes before a name turns out to be wrong."""
    model = str(checkpoints("llava_next_llama3"))
    assert main(["evaluate", model, "--data", str(folder), "--benchmark", "coc"]) == 2
    assert main(["evaluate", model, "--data", str(folder / "none")]) == 1
    (folder / "images" / "2.png").unlink()
    assert main(["evaluate", model, "--data", str(folder)]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert "2.png" in errors[2]
