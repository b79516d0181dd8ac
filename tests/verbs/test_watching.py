"""What a verb that embeds tells of its model: a speed to keep, and a better model to take."""

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

from e5v.cli import main
from e5v.inputs import Image
from e5v.model import prices, speeds
from e5v.model.catalogue import find_model
from e5v.model.machine import Rates, find_machine
from e5v.verbs.watching import find_longest_side

Capture = pytest.CaptureFixture[str]
SCENES = Path(__file__).parents[2] / "examples" / "scenes"
LINE = "nano knows small drawings only, and these are photographs; on this machine take "


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("E5V_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        prices, "measure_rates", lambda _, widths: Rates(dict.fromkeys(widths, 1e12), 1e12, 1e12)
    )


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Give a folder of one photograph, larger than any drawing that the bundled model knows."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    Picture.effect_noise((640, 480), 40).convert("RGB").save(folder / "one.jpg")
    return folder


@pytest.mark.parametrize("verb", ["index", "encode"])
def test_the_bundled_model_on_photographs(
    verb: str, capsys: Capture, tmp_path: Path, photographs: Path
) -> None:
    """Catches poor results that nobody explains, and a word about the drawings it is made for."""
    own = ["--model", "nano", "--device", "cpu"]
    index = ["--index", str(tmp_path / "index")] if verb == "index" else []
    assert main([verb, str(photographs), *index, *own]) == 0
    [line] = [line for line in capsys.readouterr().err.splitlines() if LINE in line]
    assert line.endswith("for them (see e5v models)")
    named = line.partition(LINE)[2].split()[0]
    assert find_model(named) is not None

    drawings = tmp_path / "drawings"
    drawings.mkdir()
    for file in ("images/0001.png", "targets/0001.png"):
        shutil.copy(SCENES / file, drawings / file.replace("/", "-"))
    assert main([verb, str(drawings), *index, *own]) == 0
    assert LINE not in capsys.readouterr().err


def test_another_model_is_let_be(capsys: Capture, folder: str, photographs: Path) -> None:
    """Catches the line where any other model is used."""
    assert main(["encode", str(photographs), "--model", folder]) == 0
    assert LINE not in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["index", "encode"])
def test_a_speed_is_kept(
    verb: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Catches a price that is estimated for ever, and a speed under another model's name."""
    monkeypatch.setattr(speeds, "LEAST_ITEMS", 3)
    monkeypatch.setattr(speeds, "LEAST_SECONDS", 0.0)
    drawings = [str(SCENES / "images" / f"{number:04}.png") for number in (1, 2, 3)]
    index = ["--index", str(tmp_path / "index")] if verb == "index" else []
    own = ["--model", "nano", "--device", "cpu", "--dtype", "float32"]
    assert main([verb, *drawings, *index, *own]) == 0
    capsys.readouterr()
    here = find_machine("cpu", "float32")
    [(key, speed)] = speeds.read_speeds(here.name, here.dtype).items()
    assert key == ("nano", "photo")
    assert (speed.items, speed.recipe) == (3, "e5-v")
    assert speed.tokens_per_second > 0


def test_a_cache_that_cannot_be_written_is_let_be(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    """Catches a run that fails at its end for the sake of a convenience."""
    monkeypatch.setattr(speeds, "LEAST_ITEMS", 1)
    monkeypatch.setattr(speeds, "LEAST_SECONDS", 0.0)
    (tmp_path / "file").touch()
    monkeypatch.setenv("E5V_CACHE", str(tmp_path / "file"))
    assert main(["encode", "a cat", "--model", "nano", "--device", "cpu"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def _encoded(size: tuple[int, int]) -> bytes:
    held = io.BytesIO()
    Picture.new("RGB", size).save(held, "PNG")
    return held.getvalue()


def test_sides_of_images(tmp_path: Path) -> None:
    """Catches a kind of item that is passed over, and one that cannot be read."""
    content = _encoded((30, 50))
    file = tmp_path / "a.png"
    file.write_bytes(content)
    for item in (content, file, str(file), Image(content, "a"), Image(file)):
        assert find_longest_side(item) == 50

    nothing: tuple[Any, ...] = ("a text", b"no image", tmp_path / "gone.png", {"text": "a"})
    for other in (*nothing, "gone.png", 7):
        assert find_longest_side(other) == 0
