"""What tests of verbs share: a small model, and a verb run with it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from e5v import E5V
from e5v.cli import main
from tests.verbs.done import PHOTOS, Done, Run


@pytest.fixture(scope="session")
def folder(checkpoints: Callable[[str], Path]) -> str:
    """Give the folder of a small model."""
    return str(checkpoints("llava_next_llama3"))


@pytest.fixture(scope="session")
def model(folder: str) -> E5V:
    """Open that model as a program would."""
    return E5V(folder, dtype="float32")


@pytest.fixture
def run(folder: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a verb with the small model."""

    def run_verb(verb: str, *arguments: object) -> Done:
        named = [folder] if verb == "verify" else ["--model", folder]
        code = main([verb, *map(str, arguments), *named, "--dtype", "float32"])
        written = capsys.readouterr()
        lines = [json.loads(line) for line in written.out.splitlines() if line.startswith("{")]
        return Done(code, written.out, written.err, lines)

    return run_verb


@pytest.fixture(scope="session")
def index(folder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an index of four photos with captions and a text."""
    things = tmp_path_factory.mktemp("things")
    shutil.copytree(PHOTOS, things, dirs_exist_ok=True)
    (things / "CREDITS.md").unlink()
    (things / "note.txt").write_text("the cat and the rocket")
    path = tmp_path_factory.mktemp("found") / "index"
    assert (
        main(["index", str(things), "--index", str(path), "--model", folder, "--dtype", "float32"])
        == 0
    )
    return path
