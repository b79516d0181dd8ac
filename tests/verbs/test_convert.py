"""`e5v convert`: what it writes and says; the conversion itself is tested beside the model."""

from pathlib import Path

import pytest

from e5v.checkpoints import convert_llava as module
from e5v.cli import main


def test_convert_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments that arrive in the wrong order."""
    asked = []
    monkeypatch.setattr(module, "convert", lambda *given: asked.append(given))
    assert main(["convert", "lmms-lab/llama3-llava-next-8b", "--out", str(tmp_path / "new")]) == 0
    assert asked == [("lmms-lab/llama3-llava-next-8b", tmp_path / "new")]
    assert f"e5v verify {tmp_path / 'new'}" in capsys.readouterr().err


def test_a_checkpoint_that_needs_none(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback, or a copy, for a checkpoint that transformers opens as it is."""
    assert main(["convert", folder, "--out", str(tmp_path / "new")]) == 1
    assert "is a llava_next checkpoint; expected llava_llama" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
