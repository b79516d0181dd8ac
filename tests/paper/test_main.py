"""Mistakes of whoever runs the paper are one line each, before anything is made."""

from pathlib import Path

import pytest

from paper.__main__ import main

ARGUMENTS = [
    (["--stages", "cook"], "stage cook is not known; name some of data, base, train"),
    (["--only", "texts"], "setting texts is not known; name some of untuned, text"),
    (["--seeds"], "--seeds names no seed"),
]


@pytest.mark.parametrize(("words", "message"), ARGUMENTS)
def test_mistakes_are_one_line(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Catches a traceback, or a folder that is made for nothing."""
    out = tmp_path / "out"
    monkeypatch.setattr("sys.argv", ["paper", "--out", str(out), "--tiny", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert not out.exists()


def test_a_file_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a run that fails only when it writes."""
    file = tmp_path / "out"
    file.write_text("")
    monkeypatch.setattr("sys.argv", ["paper", "--out", str(file), "--plan"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err == f"paper: --out {file} is a file; name a folder\n"
