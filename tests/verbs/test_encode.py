"""`e5v encode`: options, files that stay whole, and items that cannot be read."""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pyarrow.parquet as pq
import pytest

import e5v
import e5v.model.verify
from e5v import E5V
from e5v.cli import main
from e5v.model.opening import DTypeName
from e5v.vectors import Precision
from e5v.verbs import vector_files
from e5v.verbs.encode import Encode
from e5v.verbs.model_options import Opening
from tests.verbs.done import Run, put_on_stdin, read_vectors


def test_options_reach_the_model(run: Run, model: E5V) -> None:
    """Catches an option that is read and then forgotten."""
    text = "one two three four five six seven eight"
    small = E5V(model.loaded, max_tokens=30)
    done = run("encode", text, "--prompt", "sts", "--dim", 4, "--max-tokens", 30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", e5v.EncodeWarning)
        expected = small.encode([text], prompt="sts", dim=4)
    np.testing.assert_array_equal(np.array([done.lines[0]["vector"]], np.float32), expected)
    assert done.err == "e5v: 1 item was truncated to fit the model\n"


def test_skipping_leaves_out_exactly_the_bad(
    run: Run, model: E5V, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Catches a good item left out, a bad one unmentioned, and positions that have shifted."""
    (tmp_path / "bad.png").write_bytes(b"no image")
    put_on_stdin(monkeypatch, '"three"\n{broken\n17\n{"image": "gone.png"}\n"seven"\n')
    out = tmp_path / "vectors.parquet"
    bad = [tmp_path / "bad.png", "nope.jpg"]
    done = run("encode", "zero", *bad, "-", "--text", " ", "--skip-errors", "--out", out)
    told = done.err.splitlines()
    starts = [
        f"item 1: {tmp_path}/bad.png is not an image",
        "item 2: nope.jpg does not exist",
        "item 4: line 2 is not JSON",
        "item 5: line 3 is of type int",
        "item 6: line 4 names an image that is missing from the current folder and its images/",
        "item 8: has an empty text",
    ]
    assert done.code == 0
    assert told[-1] == "e5v: 6 of 9 items skipped"
    for line, start in zip(told[:-1], starts, strict=True):
        assert line.startswith(f"e5v: {start}")
    assert pq.read_table(out)["position"].to_pylist() == [0, 3, 7]
    np.testing.assert_array_equal(read_vectors(out), model.encode(["zero", "three", "seven"]))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fine", "--text", " "], 2, "e5v: an item has an empty text"),
        (["nope.jpg", "--skip-errors"], 1, "e5v: nothing was encoded"),
        (["fine", "{broken}"], 1, "line 1 is not JSON"),
    ],
)
def test_an_error_leaves_the_old_file(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    """Catches a target that is opened before it is known that there is something to write."""
    put_on_stdin(monkeypatch, arguments[1])
    arguments = ["-" if one == "{broken}" else one for one in arguments]
    out = tmp_path / "vectors.parquet"
    out.write_text("old")
    monkeypatch.setattr(vector_files, "GROUP_BYTES", 1)
    done = run("encode", *arguments, "--out", out, "--batch-tokens", 1)
    assert done.code == code
    assert message in done.err
    assert (out.read_text(), list(tmp_path.iterdir())) == ("old", [out])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--dim", "9999"], 2, "dim is 9999; expected 1 to 64"),
        (["--prompt", "none"], 2, "has no slot"),
        (["--out", "/dev/null", "--format", "npy"], 2, "is not a plain file"),
        (["--out", "gone/v.npy"], 2, "the folder gone does not exist"),
    ],
)
def test_a_mistake_is_one_line(run: Run, arguments: list[str], code: int, message: str) -> None:
    """Catches a traceback, and an exit code that says nothing."""
    done = run("encode", "a", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    assert message in done.err
    assert done.err.startswith("e5v: ")


def test_nothing_on_a_terminal_is_misuse(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a command that waits, without a word, for somebody to type JSON."""
    put_on_stdin(monkeypatch, "")
    assert run("encode").code == 1
    put_on_stdin(monkeypatch, "")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    done = run("encode")
    assert (done.code, "give INPUT" in done.err) == (2, True)
    monkeypatch.setattr(sys, "stdin", None)  # as in a shell's `<&-`
    for arguments in ((), ("-",)):
        done = run("encode", *arguments)
        assert (done.code, "give INPUT" in done.err) == (2, True)


def test_choices_are_those_of_the_library() -> None:
    """Catches an option that lags behind: the choices are written twice, to keep help quick."""
    assert get_args(get_type_hints(Encode)["precision"]) == get_args(Precision)
    assert get_args(get_type_hints(Opening)["dtype"]) == get_args(DTypeName)


def test_a_bar_is_for_terminals(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches a bar in a log, and one among the results."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "Encoding" in run("encode", "a", "--out", tmp_path / "v.npy").err
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "Encoding" not in run("encode", "a").err


def test_an_instruction_and_a_side_reach_the_model(
    run: Run, checkpoints: Callable[[str], Path], tmp_path: Path
) -> None:
    """Catches options that change no vector, and a line's instruction passed over."""
    folder = checkpoints("llava_next_mistral")
    model = E5V(folder, dtype="float32", recipe="bge-vl-mllm")
    items = tmp_path / "items.jsonl"
    items.write_text('"a dog"\n{"text": "a dog", "instruction": "Own."}\n')
    how = ["--model", str(folder), "--dtype", "float32", "--recipe", "bge-vl-mllm"]
    out = tmp_path / "v.npy"
    asked = ["--instruction", "Find it.", "--side", "query"]
    assert main(["encode", str(items), "--out", str(out), *how, *asked]) == 0
    rows = np.load(out)
    for row, told in zip(rows, ("Find it.", "Own."), strict=True):
        expected = model.encode(["a dog"], instruction=told)[0]
        assert np.abs(row - expected).max() <= 1e-5
    done = run("encode", "a dog", "--instruction", "Find it.")
    assert done.code == 2
    assert "no place for an instruction" in done.err
    assert "Traceback" not in done.err
