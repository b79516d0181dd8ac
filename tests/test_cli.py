"""The command line itself: warnings, errors, signals and exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import PIL.Image
import pytest
import torch

import e5v
import e5v.cli
from e5v.cli import Verb, main
from e5v.errors import ModelError, UsageError


@pytest.fixture(scope="session")
def folder(checkpoints: Callable[[str], Path]) -> str:
    """Give the folder of a small model."""
    return str(checkpoints("llava_next_llama3"))


def test_warnings_are_told_in_a_line(
    folder: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Catches Python's own two lines, and a warning about images that our own limit covers."""
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1_000)
    PIL.Image.new("RGB", (40, 40)).save(tmp_path / "large.png")
    assert main(["encode", str(tmp_path), "--model", folder]) == 0
    assert capsys.readouterr().err == ""

    def run(verb: Verb) -> bool:
        warnings.warn("beware\nof this", stacklevel=1)
        return True

    monkeypatch.setattr(e5v.cli, "run", run)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        main(["verify", folder])
    assert capsys.readouterr().err == "e5v: warning: beware of this\n"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ModelError("the model\nis gone"), 1, "e5v: the model is gone\n"),
        (UsageError("dim is 9"), 2, "e5v: dim is 9\n"),
        (
            OSError(28, "No space left on device", "v.npy"),
            1,
            "e5v: v.npy: No space left on device\n",
        ),
        (OSError("odd"), 1, "e5v: odd\n"),
        (
            torch.OutOfMemoryError("Tried to allocate 2.00 GiB"),
            1,
            "e5v: the GPU's memory is full; try another --dtype or --device cpu\n",
        ),
        (MemoryError(), 1, "e5v: the memory of this machine is full; try a smaller model\n"),
        (UsageError("it is away", argument="index"), 2, "e5v: it is away (--index)\n"),
        (ModelError("no such part", argument="out"), 1, "e5v: no such part\n"),
        (
            ZeroDivisionError("a slip\nof ours"),
            1,
            "e5v: unexpected ZeroDivisionError: a slip; this is a bug in e5v, please report it "
            "(set E5V_DEBUG=1 for the traceback)\n",
        ),
        (KeyboardInterrupt(), 130, "e5v: interrupted\n"),
    ],
)
def test_what_ends_a_verb_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    told: str,
) -> None:
    """Catches a traceback, and an exit code that says nothing."""

    def run(verb: Verb) -> bool:
        raise error

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(e5v.cli, "run", run)
    assert main(["demo"]) == code
    assert capsys.readouterr().err == told
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_traceback_is_shown_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a fault of ours that nobody can report, because its traceback is lost."""

    def run(verb: Verb) -> bool:
        raise ZeroDivisionError("a slip")

    monkeypatch.setenv("E5V_DEBUG", "1")
    monkeypatch.setattr(e5v.cli, "run", run)
    assert main(["demo"]) == 1
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.splitlines()[-1].startswith("e5v: unexpected ZeroDivisionError: a slip;")


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_a_terminal_says_at_once_what_is_done(folder: str) -> None:
    """Catches seconds of silence while torch is imported and a model is opened."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "e5v.cli", "verify", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        first = os.read(ours, 1_000).decode()
        process.terminate()
    os.close(ours)
    assert first.splitlines() == [f"e5v: opening {folder} ..."]


@contextmanager
def started(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """Run e5v in a process of its own, on endless input."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "e5v.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}  # as users run it
    with (
        subprocess.Popen(["yes", '"a dog in the grass"'], stdout=pipe) as endless,
        subprocess.Popen(
            command,
            stdin=endless.stdout,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env=environment,
        ) as process,
    ):
        assert endless.stdout
        endless.stdout.close()  # `yes` ends with its only reader
        try:
            yield process
        finally:
            process.kill()  # if a signal was not heard, the input has no end


@pytest.mark.parametrize(
    ("suffix", "sent", "code", "told"),
    [
        (".jsonl", signal.SIGINT, 130, "e5v: interrupted\n"),
        (".npy", signal.SIGTERM, 143, ""),
    ],
)
@pytest.mark.usefixtures("warm")
def test_a_signal_leaves_the_old_file(
    folder: str, tmp_path: Path, suffix: str, sent: int, code: int, told: str
) -> None:
    """Catches a half-written file, or one left beside it, after Ctrl-C and kill."""
    out = tmp_path / f"vectors{suffix}"
    out.write_text("old")
    with started("encode", "--model", folder, "--out", out, "--batch-tokens", 64) as process:
        pattern = f".{out.name}.*-*.part"
        until = time.monotonic() + 120
        while not any(part.stat().st_size for part in tmp_path.glob(pattern)):
            assert time.monotonic() < until
            time.sleep(0.02)
        assert process.poll() is None
        process.send_signal(sent)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, told)
    assert (out.read_text(), list(tmp_path.iterdir())) == ("old", [out])


def test_a_closed_pipe_is_quiet(folder: str) -> None:
    """Catches a traceback after `e5v encode ... | head -1`."""
    with started("encode", "--model", folder, "--batch-tokens", 64) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["text"] == "a dog in the grass"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141
