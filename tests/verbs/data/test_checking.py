"""`e5v data check` as a user meets it: what is wrong with data, in one line."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from e5v.cli import main
from tests.data.file_hub import FileHub, serve_files
from tests.verbs.data.made import SIMCSE, lines_of

Capture = pytest.CaptureFixture[str]


@pytest.mark.usefixtures("small")
def test_a_missing_column(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs in the place of triplets, which train to another model; rows left out untold."""

    def fetch(content: bytes) -> int:
        with serve_files({SIMCSE: {"nli_for_simcse.csv": content}}) as hub:
            monkeypatch.setattr(constants, "ENDPOINT", hub.url)
            root = tmp_path / hub.url.rpartition(":")[2]
            code = main(["data", "fetch", "nli", "--data", str(root)])
        return code or main(["data", "check", "nli", "--data", str(root)])

    assert fetch(b"sent0,sent1\na,b\nc,d\n") == 1
    assert "none of 2 rows has a hard negative; expected the columns" in capsys.readouterr().err
    assert fetch(b"first,second\na,b\nc,d\n") == 1
    assert "its columns are first, second; expected anchor and" in capsys.readouterr().err
    assert fetch(b"sent0,sent1,hard_neg\na,b,c\n,d,e\n") == 0
    note = "1 row that training leaves out (row 2: sent0 is empty)"
    assert note in [line.get("found") for line in lines_of(capsys)]


def test_broken_data_are_named(hub: FileHub, tmp_path: Path, capsys: Capture) -> None:
    """An exit code without a reason, or a reason without an exit code."""
    assert main(["data", "fetch", "llava-pretrain", "--data", str(tmp_path)]) == 0
    image = tmp_path / "llava-pretrain" / "images" / "0" / "red.png"
    image.write_bytes(b"broken")
    capsys.readouterr()
    command = ["data", "check", "llava-pretrain", "--data", str(tmp_path)]
    assert main(command) == 1
    told = capsys.readouterr().err
    assert told.startswith("e5v: llava-pretrain, opened images: 1 of 2 cannot be opened: image 1: ")
    image.unlink()
    assert main(command) == 1
    told = capsys.readouterr().err
    assert told.startswith("e5v: llava-pretrain, rows: 1 of 2 images are missing; the first is ")
    assert told.endswith("0/red.png\n")
