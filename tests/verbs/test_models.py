"""`e5v models`: the table, its JSON lines, and the model to take."""

import json
import re
import sys
from pathlib import Path

import pytest

from e5v.cli import main
from e5v.model import prices
from e5v.model.catalogue import MODELS
from e5v.model.machine import Rates
from e5v.model.speeds import Speed, write_speed

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let matrices be multiplied at one rate, and nothing be measured before."""
    monkeypatch.setenv("E5V_CACHE", str(tmp_path))
    monkeypatch.setattr(
        prices, "measure_rates", lambda _, widths: Rates(dict.fromkeys(widths, 1e12), 1e12, 1e12)
    )
    monkeypatch.setattr(prices, "ROOM", -(10**15))  # everything fits


def test_lines_for_a_program(capsys: Capture) -> None:
    """Catches a model or a field that is missing, and a last line that does not choose."""
    assert main(["models", "--device", "cpu", "--seconds", "1000"]) == 0
    *lines, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [line["model"] for line in lines] == [one.id for one in MODELS]
    assert last["take"] == "Qwen/Qwen3-VL-Embedding-8B"
    assert {"why", "device", "dtype", "memory", "name"} <= last.keys()
    paper = next(line for line in lines if line["model"] == "royokong/e5-v")
    assert paper["photo_tokens"] == 2_340
    assert paper["photo_seconds_are"] == "estimated"
    assert list(paper["memory"]) == ["float32", "bfloat16", "8bit", "4bit"]
    assert paper["scores"][0]["benchmark"] == "MIEB-Lite"
    assert (paper["download_is"], paper["fits"]) == ("estimated", True)


def test_a_table_for_a_person(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an estimate without its mark, a score without its source, no last line."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["models", "--device", "cpu", "--dtype", "float32", "--seconds", "0.001"]) == 0
    shown = capsys.readouterr().out.splitlines()
    [row] = [line for line in shown if line.startswith("Qwen/Qwen3-VL-Embedding-2B")]
    for cell in ("2.1 B", "~4.3", "8.5", "2.6", "1.6", "300", "yes", "Apache-2.0"):
        assert f" {cell} " in row
    assert len(re.findall(r" ~[\d.]+ s ", row)) == 2
    assert "MMEB-V2 image 75 [1]" in row
    assert any(line.startswith("[1] README of QwenLM") for line in shown)
    assert shown[0].startswith("float32 on cpu ")
    assert shown[-1].startswith("Take photos: no published model")
    assert shown[-1].endswith("e5v index FOLDER --model photos (once: e5v assemble photos)")


def test_a_measurement_is_shown_as_one(capsys: Capture) -> None:
    """Catches an estimate where the model has been used on this machine."""
    assert main(["models", "--device", "cpu", "--dtype", "float32"]) == 0
    here = json.loads(capsys.readouterr().out.splitlines()[-1])["name"]
    write_speed(Speed("royokong/e5-v", "e5-v", here, "float32", "photo", 236.0, 20))
    assert main(["models", "--device", "cpu", "--dtype", "float32"]) == 0
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    paper = next(line for line in lines if line.get("model") == "royokong/e5-v")
    assert (paper["photo_seconds"], paper["photo_seconds_are"]) == (10.0, "measured")


def test_an_unknown_device_is_one_line(capsys: Capture) -> None:
    """Catches a traceback of torch, and its list of thirty devices that are not here."""
    assert main(["models", "--device", "gpu"]) == 2
    said = capsys.readouterr().err
    assert said.startswith('e5v: device "gpu" cannot be used here: PyTorch knows no such device')
    assert "this machine has cpu" in said
