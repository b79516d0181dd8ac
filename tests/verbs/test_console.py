"""What a verb tells while it works."""

import sys
from pathlib import Path

import pytest

from e5v.verbs.console import bar, find_command, pace


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ((0, 100, 5.0), ""),
        ((3, None, 5.0), ""),
        ((50, 100, 20.0), "2.5/s, 0:00:20 left"),
        ((1, 10_001, 1.0), "1.0/s, 2:46:40 left"),
        ((5_000, 5_000, 2.0), "2,500.0/s, 0:00:00 left"),
    ],
)
def test_rate_and_time_left(state: tuple[float, float | None, float], told: str) -> None:
    """Catches a rate of the last burst alone, and a division by nothing done yet."""
    assert pace(*state) == told


def test_a_bar_goes_over_to_what_is_timed_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a rate that counts the opening of the model, and a name taken for a colour."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with bar(None, shown=True, paced=True) as drawn:
        (task,) = drawn.progress.tasks
        drawn.name("Opening [red]small")
        drawn.progress.refresh()
        task.start_time = drawn.progress.get_time() - 1_000
        drawn.begin("Indexing", 100)
        assert task.elapsed is not None
        assert task.elapsed < 500
        task.start_time = drawn.progress.get_time() - 20
        drawn.reach(50)
        drawn.progress.refresh()
        drawn.reach(51, total=120)
    assert (task.completed, task.total) == (51, 120)
    told = capsys.readouterr()
    assert told.out == ""
    assert "Opening [red]small" in told.err
    assert "50/100" in told.err
    assert "2.5/s, 0:00:20 left" in told.err


def test_a_hint_can_be_pasted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A hint that ends in "command not found", since its environment is not active."""
    script = tmp_path / "venv" / "e5v"
    script.parent.mkdir()
    script.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    monkeypatch.setenv("PATH", "")
    assert find_command() == "venv/e5v"
    monkeypatch.setenv("PATH", str(script.parent))
    assert find_command() == "e5v"
