"""The paper in small, run for real: killed, started again, and the same."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SETTING = "mistral-text"  # the fewest commands: nothing is converted


def start(out: Path) -> "subprocess.Popen[str]":
    """Start a small run of one setting."""
    command = [sys.executable, "-m", "paper", "--out", str(out), "--tiny", "--only", SETTING]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def finish(out: Path) -> dict[str, Any]:
    """Run to the end, and return the results but for what hangs on the clock."""
    process = start(out)
    _, said = process.communicate()
    assert process.returncode == 0, said
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    return {key: value for key, value in results.items() if key != "costs"}


def kill_after(seconds: float, out: Path) -> bool:
    """Start a run, and kill it after so many seconds; return whether it was still running."""
    process = start(out)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=seconds)
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return True


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_a_killed_run_ends_with_the_same_results(tmp_path: Path) -> None:
    """Catches half a training, model or report that is taken for a whole one."""
    began = time.monotonic()
    expected = finish(tmp_path / "whole")
    took = time.monotonic() - began
    assert len(expected["figures"]) > 40
    assert expected["missing"] == []

    moment = random.uniform(0.1, 0.9) * took
    while not kill_after(moment, killed := tmp_path / f"killed-{moment:.1f}"):
        moment /= 2  # the machine was busier the first time
    assert not (killed / "results.json").exists()
    assert finish(killed) == expected, f"killed after {moment:.1f} s of {took:.1f}"
