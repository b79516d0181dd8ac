"""The command line itself: help, misuse, warnings, signals and exit codes."""

import json
import os
import re
import shlex
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
from e5v.cli import VERBS, Verb, main
from e5v.errors import ModelError, UsageError
from e5v.verbs.encode import Encode
from e5v.verbs.index import Index
from e5v.verbs.options import options_of
from e5v.verbs.search import Search
from e5v.verbs.train import Train


@pytest.fixture(scope="session")
def folder(checkpoints: Callable[[str], Path]) -> str:
    """Give the folder of a small model."""
    return str(checkpoints("llava_next_llama3"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "usage: e5v VERB"),
        ("encode a --dim 0", "--dim is 0; expected at least 1"),
        ("encode a --format npy", "give --out FILE"),
        ("encode a --out vectors.txt", ".jsonl, .npy, .parquet"),
        ("encode a --precision int4", "int4"),
        ("words a -k 0", "-k is 0"),
        ("words", "ITEM"),
    ],
)
def test_misuse_is_exit_2(capsys: pytest.CaptureFixture[str], arguments: str, message: str) -> None:
    """Catches misuse that is found only once a model is open, or never."""
    with pytest.raises(SystemExit) as end:
        main(shlex.split(arguments))
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", VERBS)
def test_help_ends_with_an_example_that_works(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Catches an example whose options have changed since, and a verb without one."""
    lines = (VERBS[name].__doc__ or "").splitlines()
    examples = [line.strip() for line in lines if line.strip().startswith("e5v ")]
    assert examples
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert not end.value.code
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert set(examples) <= set(shown)  # each in one line, to be copied
    monkeypatch.setattr(e5v.cli, "run", lambda verb: type(verb) is VERBS[name])
    for example in examples:
        assert main(shlex.split(example)[1:]) == 0


@pytest.mark.parametrize("name", VERBS)
def test_help_of_a_verb_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Catches boxes and long lines, which a terminal of 80 columns breaks, and empty defaults."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([name, "a", "b", "-h"])  # what stands before it does not matter
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert not set("╭│╰─\0") & set(shown)
    for empty in ("None", "(default: False)", "(default: )", "(default: {})"):
        assert empty not in shown
    positional = any(one.is_positional for one in options_of(VERBS[name]))
    assert positional == ("\nArguments:\n" in shown)
    for option in (one for one in options_of(VERBS[name]) if one.flags):
        [described] = re.findall(rf"^  {option.flags[0]}\b.*?(?=^  \S|\Z)", shown, re.M | re.S)
        assert len(described.split()) > 3


def test_help_lists_the_verbs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a verb that nobody can find, a help longer than a screen, and a wrong version."""
    monkeypatch.setenv("COLUMNS", "80")
    for asked in ("--help", "-h", "help"):
        with pytest.raises(SystemExit) as end:
            main([asked])
        assert end.value.code == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) <= 30
        assert max(map(len, lines)) <= 80
        for name in VERBS:
            assert len([line for line in lines if line.startswith(f"  {name} ")]) == 1
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"e5v {e5v.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["encode", "a"],
        ["words", "a"],
        ["verify"],
        ["evaluate", "--data", "."],
        ["train", "--data", "{folder}/pairs.csv", "--out", "{folder}/run"],
        ["index", "{folder}", "--index", "{folder}/index"],
        ["serve", "--port", "0"],
    ],
)
def test_the_default_model_is_an_environment_variable(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
) -> None:
    """Catches a verb that does not heed E5V_MODEL."""
    (tmp_path / "pairs.csv").write_text("anchor,positive\na,b\nc,d\n")
    monkeypatch.setenv("E5V_MODEL", "./no-such-model")
    monkeypatch.setenv("E5V_INDEX", str(tmp_path / "none"))
    assert main([argument.format(folder=tmp_path) for argument in arguments]) == 2
    assert "there is no folder ./no-such-model" in capsys.readouterr().err


def keep_verbs(monkeypatch: pytest.MonkeyPatch) -> list[Verb]:
    """Keep the verbs that would be run, in a list."""
    seen: list[Verb] = []

    def run(verb: Verb) -> bool:
        seen.append(verb)
        return True

    monkeypatch.setattr(e5v.cli, "run", run)
    return seen


def test_words_of_a_query_need_no_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches `e5v search a dog` refused, or searched for one word."""
    seen = keep_verbs(monkeypatch)
    for typed in ("search a red dog -k 3", "search -k 3 a red dog", "search 'a red' dog -k 3"):
        assert main(shlex.split(typed)) == 0
    queries = [(verb.query, verb.k) for verb in seen if isinstance(verb, Search)]
    assert queries == [("a red dog", 3)] * 3


def test_a_repeated_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches files of data that are dropped because --data was given twice."""
    seen = keep_verbs(monkeypatch)
    command = shlex.split("train --data a.csv b.csv --steps 3 --data c.csv --out run --steps 4")
    assert main([*command, "--data=d.csv", "--model", "x"]) == 0
    [verb] = seen
    assert isinstance(verb, Train)
    assert [path.name for path in verb.data] == ["a.csv", "b.csv", "c.csv", "d.csv"]
    assert (verb.recipe.steps, verb.model) == (4, "x")


def test_a_path_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches `--out=~/v.npy`, in which no shell replaces ~, written to a folder called ~."""
    seen = keep_verbs(monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["encode", "a", "--out=~/v w.npy"]) == 0
    assert main(["index", "~/ä b/", "~", "--index", "~/i", "--model=~/m"]) == 0
    [encode, index] = seen
    assert isinstance(encode, Encode)
    assert isinstance(index, Index)
    assert (encode.out, index.index) == (tmp_path / "v w.npy", tmp_path / "i")
    assert index.model == str(tmp_path / "m")
    assert index.folders == (tmp_path / "ä b", tmp_path)


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
        yield process


@pytest.mark.parametrize(
    ("suffix", "sent", "code", "told"),
    [
        (".jsonl", signal.SIGINT, 130, "e5v: interrupted\n"),
        (".npy", signal.SIGTERM, 143, ""),
    ],
)
def test_a_signal_leaves_the_old_file(
    folder: str, tmp_path: Path, suffix: str, sent: int, code: int, told: str
) -> None:
    """Catches a half-written file, or one left beside it, after Ctrl-C and kill."""
    out = tmp_path / f"vectors{suffix}"
    out.write_text("old")
    with started("encode", "--model", folder, "--out", out, "--batch-tokens", 64) as process:
        part = tmp_path / f".{out.name}.{process.pid}.part"
        until = time.monotonic() + 120
        while not (part.exists() and part.stat().st_size) and time.monotonic() < until:
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
