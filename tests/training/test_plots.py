"""The picture of a run."""

import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from e5v.errors import DataError
from e5v.training.plots import draw, read_log, running_mean


def _steps(count: int) -> list[dict[str, float | None]]:
    return [
        {
            "step": step,
            "loss": 7 / step + 0.1 * math.sin(step),
            "accuracy": 1 - 1 / step,
            "lr": 4e-4 * step / count,
            "tokens_per_second": 9000.0 + step,
        }
        for step in range(1, count + 1)
    ]


def _log(folder: Path, lines: Sequence[Mapping[str, float | None]], torn: str = "") -> Path:
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + torn)
    return log


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is saved from here on."""
    figures: list[Figure] = []
    save = Figure.savefig

    def spy(self: Figure, *args: object, **kwargs: object) -> None:
        figures.append(self)
        save(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", spy)
    return figures


def _titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_a_run_becomes_a_picture(tmp_path: Path, drawn: list[Figure]) -> None:
    """A file that is no image, or a picture that lacks a curve of the log."""
    target = tmp_path / "training.png"
    draw(_log(tmp_path, _steps(120)), target)
    with Image.open(target) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 500
        assert (
            len(picture.convert("L").histogram()) - picture.convert("L").histogram().count(0) > 20
        )
    assert [path.name for path in tmp_path.iterdir() if path != target] == ["log.jsonl"]
    titles = ["Loss", "Own positive ranked first", "Learning rate", "Throughput"]
    assert _titles(drawn[0]) == titles


def test_units_are_those_of_the_axes(tmp_path: Path, drawn: list[Figure]) -> None:
    """An accuracy of 0.9 drawn as 0.9 %."""
    draw(_log(tmp_path, _steps(30)), tmp_path / "training.png")
    accuracy = drawn[0].axes[1]
    assert accuracy.get_ylabel() == "% of anchors"
    assert accuracy.lines[-1].get_ydata()[-1] == pytest.approx(100 * (1 - 1 / 30))  # type: ignore[index]


def test_held_out_panels_only_where_measured(tmp_path: Path, drawn: list[Figure]) -> None:
    """Empty panels for what was not measured, or measurements that are not drawn."""
    measured = {"step": 20, "text_recall": 0.4, "image_recall": None, "gap": None}
    draw(_log(tmp_path, [*_steps(30), measured]), tmp_path / "one.png")
    draw(
        _log(tmp_path, [*_steps(30), measured | {"image_recall": 0.2, "gap": 0.7}]),
        tmp_path / "two.png",
    )
    assert _titles(drawn[0])[4:] == ["Held-out recall"]
    assert _titles(drawn[1])[4:] == ["Held-out recall", "Modality gap"]
    named = [
        [text.get_text() for text in figure.axes[4].get_legend().get_texts()]  # type: ignore[union-attr]
        for figure in drawn
    ]
    assert named == [
        ["anchor → positive  40.0"],
        ["anchor → positive  40.0", "caption → image  20.0"],
    ]


def test_a_kill_leaves_its_marks_out(tmp_path: Path) -> None:
    """A run that was killed and resumed: a torn line that stops the drawing, a step drawn twice."""
    again: list[dict[str, float | None]] = [{"step": 2, "loss": 0.5}, {"step": 2, "gap": 0.9}]
    steps = read_log(_log(tmp_path, [*_steps(3), *again], torn='{"step": 4, "lo'))
    assert list(steps) == [1, 2, 3]
    assert (steps[2]["loss"], steps[2]["gap"]) == (0.5, 0.9)


def test_a_loss_that_is_no_number(tmp_path: Path, drawn: list[Figure]) -> None:
    """One NaN that wipes out the running mean of the whole run."""
    lines = _steps(200)
    lines[100]["loss"] = math.nan
    draw(_log(tmp_path, lines), tmp_path / "training.png")
    strong = np.asarray(drawn[0].axes[0].lines[-1].get_ydata(), float)
    assert len(strong) == 199
    assert np.isfinite(strong).all()


@pytest.mark.parametrize(("count", "reach"), [(1, 0), (7, 2), (5, 9), (40, 3)])
def test_running_mean(count: int, reach: int) -> None:
    """A mean that is shifted, or pulled towards zero at the ends."""
    values = np.random.default_rng(count).normal(5, 1, count)
    slow = [values[max(0, at - reach) : at + min(at, reach) + 1].mean() for at in range(count)]
    assert np.allclose(running_mean(values, reach), slow)


def test_a_short_run_is_seen(tmp_path: Path, drawn: list[Figure]) -> None:
    """A run of one step, whose line has no length: an empty picture."""
    draw(_log(tmp_path, _steps(1)), tmp_path / "training.png")
    assert drawn[0].axes[0].lines[0].get_marker() == "o"


def test_a_log_without_a_step(tmp_path: Path) -> None:
    """A traceback of matplotlib's, or an empty picture."""
    with pytest.raises(DataError, match=r"log\.jsonl has no step to draw"):
        draw(_log(tmp_path, [], torn='{"st'), tmp_path / "training.png")
    assert not (tmp_path / "training.png").exists()


def test_the_last_picture_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk that leaves half a picture in place of a whole one."""
    log, target = _log(tmp_path, _steps(3)), tmp_path / "training.png"
    target.write_bytes(b"before")

    def fail(self: Path, other: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        draw(log, target)
    assert target.read_bytes() == b"before"


def test_no_window_and_nothing_imported_before_it_is_needed(tmp_path: Path) -> None:
    """Slow imports for who draws nothing; pyplot, which may want a display and keeps figures."""
    log = _log(tmp_path, _steps(2))
    code = (
        "import sys; from pathlib import Path; from e5v.training.plots import draw;"
        "assert 'matplotlib' not in sys.modules;"
        f"draw(Path({str(log)!r}), Path({str(tmp_path / 'training.png')!r}));"
        "assert 'matplotlib' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
