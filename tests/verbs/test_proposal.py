"""The model of a new index that names none."""

import sys
from pathlib import Path

import pytest

from e5v.cli import main
from e5v.errors import ModelError
from e5v.model import downloads, prices
from e5v.model.catalogue import find_model
from e5v.model.machine import Machine, Rates
from e5v.model.prices import Advice, find_price
from e5v.search.exclusion import Exclusion
from e5v.search.manifest import read_manifest
from e5v.verbs import proposal
from e5v.verbs.proposal import Contents, count_contents, describe_proposal, format_time
from tests.verbs.done import PHOTOS, put_on_stdin

Capture = pytest.CaptureFixture[str]
RATES = Rates(dict.fromkeys((256, 288, 1_024, 2_048), 1e12), 1e12, 1e12)
HERE = Machine("cpu", "bfloat16", "cpu x", 64_000_000_000)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("E5V_MODEL", raising=False)
    monkeypatch.setenv("E5V_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bundled model be the one to take, and somebody sit at the terminal."""
    nano = find_model("nano")
    assert nano is not None
    advice = Advice(find_price(nano, HERE, RATES, {}), "")
    monkeypatch.setattr(prices, "recommend", lambda machine: advice)


def _answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    put_on_stdin(monkeypatch, text)
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("answer", ["\n", "y\n", "Yes\n"])
def test_yes_indexes_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path, answer: str
) -> None:
    """Catches an answer that is not taken, and a model that the index does not remember."""
    _answer(monkeypatch, answer)
    code = main(["index", str(PHOTOS), "--index", str(tmp_path / "index"), "--device", "cpu"])
    told = capsys.readouterr().err
    assert code == 0
    assert "the model to take on this machine is nano (Apache-2.0): 0.0 GB to download" in told
    assert "4 photos: about a second (estimated); 2 text files: " in told
    assert "e5v: use nano? [Y/n] " in told
    manifest = read_manifest(tmp_path / "index")
    assert manifest is not None
    assert manifest.model == "nano"
    assert main(["index", "--index", str(tmp_path / "index"), "--device", "cpu"]) == 0
    assert "use nano?" not in capsys.readouterr().err, "it is asked once"


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("answer", ["n\n", "no\n", "what?\n", ""])
def test_anything_else_is_no(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path, answer: str
) -> None:
    """Catches gigabytes downloaded for a slip of the pen, or for the end of input."""
    _answer(monkeypatch, answer)
    code = main(["index", str(PHOTOS), "--index", str(tmp_path / "index"), "--device", "cpu"])
    last = capsys.readouterr().err.splitlines()[-1]
    assert code == 2
    assert last.endswith("no model was chosen; name one (see e5v models) (--model)")
    assert not (tmp_path / "index").exists()


@pytest.mark.usefixtures("terminal")
def test_nobody_is_asked_for_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    """Catches a question where a model is named, in a script, or where a server runs the model."""
    _answer(monkeypatch, "n\n")
    monkeypatch.setenv("E5V_MODEL", "nano")
    assert main(["index", str(PHOTOS), "--index", str(tmp_path / "a"), "--device", "cpu"]) == 0
    assert "[Y/n]" not in capsys.readouterr().err
    monkeypatch.delenv("E5V_MODEL")
    engine = ["--engine", "openai", "--engine-url", "http://127.0.0.1:9"]
    assert main(["index", str(PHOTOS), "--index", str(tmp_path / "b"), *engine]) == 2
    assert "a new index needs a model; name one" in capsys.readouterr().err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert main(["index", str(PHOTOS), "--index", str(tmp_path / "b")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("(e5v models says which ones fit this machine) (--model)")


def test_what_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a time of one photo for the whole folder, and a hub that must be reached."""

    def away(name: str) -> None:
        raise ModelError(f"{name}: the hub cannot be reached")

    monkeypatch.setattr(downloads, "download_size", away)
    model = find_model("Qwen/Qwen3-VL-Embedding-2B")
    assert model is not None
    price = find_price(model, HERE, RATES, {})
    line = describe_proposal(price, Contents(photos=1_200, texts=0))
    assert "4.3 GB to download, 4.3 GB of memory" in line
    assert f"1,200 photos: about {format_time(1_200 * price.photo)} (estimated)" in line
    texts = f"5 text files: {price.text:.2g} s a passage (estimated)"
    assert describe_proposal(price, Contents(0, 5)).endswith(f"; {texts}; others: e5v models")
    assert texts in describe_proposal(price, Contents(7, 5))
    monkeypatch.setattr(downloads, "download_size", lambda name: None)  # it is in the cache
    assert "0.0 GB to download" in describe_proposal(price, Contents(1, 0))


def test_contents_are_counted(tmp_path: Path) -> None:
    """Catches photos that are excluded, or files of other types, in the time of a folder."""
    for name in ("a.jpg", "b.PNG", "c.txt", "d.mov", "raw/e.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert count_contents([str(tmp_path)], Exclusion(("raw/",))) == Contents(photos=2, texts=1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.3, "a second"),
        (90, "90 s"),
        (2_400, "40 min"),
        (7_300, "2 h"),
        (400_000, "5 days"),
        (10**9, "11,574 days"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    """Catches "2,400 s", which nobody reads."""
    assert format_time(seconds) == text
    assert proposal.TWICE == 2
