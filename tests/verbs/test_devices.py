"""Ctrl-C while a verb runs on several devices."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
TWO = ("--model", "nano", "--device", "cpu,cpu")
PATIENCE = 30.0  # seconds; a machine with other work to do is slow


@contextmanager
def running(*arguments: str, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run e5v in a process group of its own, as a shell does; kill what is left of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "e5v.cli", *arguments, *TWO],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"E5V_API_KEY": "", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _kill(process.pid)
        process.wait()
        assert process.stderr
        process.stderr.close()


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Give a file of more texts than are embedded in a test."""
    lines = (f'{{"text": "a {number} dog {"in the grass " * 20}"}}' for number in range(50_000))
    file = tmp_path / "texts.jsonl"
    file.write_text("\n".join(lines))
    return file


def test_ctrl_c_ends_all_processes_and_leaves_no_file(texts: Path) -> None:
    """Catches minutes of batches that are embedded for nobody, and half a file."""
    with running("encode", texts.name, "--out", "v.npy", folder=texts.parent) as process:
        workers = _wait_for_work(process)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert said.splitlines()[-1] == "e5v: interrupted"
        assert not any(map(_is_alive, workers))
    assert [path.name for path in texts.parent.iterdir()] == ["texts.jsonl"]


def _wait_for_work(process: "subprocess.Popen[str]") -> list[int]:
    """Wait until the worker of a verb has used a processor for longer than opening takes."""
    deadline = time.monotonic() + 10 * PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        workers = _children(process.pid)
        if workers and all(_seconds(pid) > 6 for pid in workers):
            return workers
        time.sleep(0.2)
    raise AssertionError("nothing was embedded")


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(one) for one in found.split()]


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
