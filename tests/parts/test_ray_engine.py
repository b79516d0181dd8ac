"""Parts with Ray: each row once, though an actor and then the driver are killed."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from e5v import E5V
from e5v.parts.check import check_parts
from e5v.parts.folders import DiskFolder
from e5v.parts.part_file import read_vectors

TEXTS = [f"a small dog number {number}" for number in range(200)]

pytestmark = pytest.mark.usefixtures("warm")


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """Give a folder for Ray's logs and sockets, whose paths must be short."""
    with TemporaryDirectory(prefix="e5v-ray-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def run(ray_folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Encode with two actors, warnings being errors."""
    program = [sys.executable, "-m", "tests.parts.killed_by_ray"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return subprocess.run(
        [*program, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"RAY_TMPDIR": str(ray_folder)},
    )


def wait_for_end(ray_folder: Path) -> None:
    """Return once no process of Ray is left, whosever child it is: each has a log."""
    for _ in range(120):
        if not any(map(partial(has_file_in, ray_folder), psutil.process_iter())):
            return
        time.sleep(0.5)
    raise AssertionError("processes are left")


def has_file_in(folder: Path, process: psutil.Process) -> bool:
    """Return whether a process has a file of a folder open."""
    try:
        return any(Path(one.path).is_relative_to(folder) for one in process.open_files())
    except psutil.Error:
        return False  # it has ended, or is another user's


@pytest.mark.slow
def test_an_actor_and_the_driver_are_killed(tmp_path: Path, ray_folder: Path) -> None:
    """Catches a lost or doubled row, a part without all rows, and processes that are left."""
    lines, out = tmp_path / "lines.jsonl", tmp_path / "parts"
    lines.write_text("".join(f"{json.dumps(text)}\n" for text in TEXTS))
    spared, mark = tmp_path / "spared", tmp_path / "mark"
    spared.touch()
    killed = run(ray_folder, spared, 3, lines, out)
    assert killed.returncode == -9, killed.stderr
    wait_for_end(ray_folder)
    before = {path.name: path.stat().st_ino for path in out.glob("*.parquet")}
    assert 3 <= len(before) < 10
    assert not (out / "manifest.json").exists()
    done = run(ray_folder, mark, 0, lines, out)
    assert (done.returncode, mark.exists()) == (0, True), done.stderr
    said = "e5v: 1 process died, and what it had was encoded again"
    assert done.stderr.splitlines()[-1] == said
    told = json.loads(done.stdout)
    assert (told["parts"], told["skipped"], told["rows"]) == (10 - len(before), len(before), 200)
    assert before.items() <= {path.name: path.stat().st_ino for path in out.iterdir()}.items()
    wait_for_end(ray_folder)
    assert [path for path in out.iterdir() if path.name.startswith(".")] == []
    assert list(check_parts(DiskFolder(out))) == []
    tables = [pq.read_table(path) for path in out.glob("*.parquet")]
    rows = {
        id: row
        for table in tables
        for id, row in zip(table["id"].to_pylist(), read_vectors(table), strict=True)
    }
    assert sum(map(len, tables)) == len(rows) == 200
    expected = E5V("nano", dtype="float32").encode(TEXTS)
    found = np.stack([rows[f"{lines}:{number}"] for number in range(1, 201)])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_no_cluster_at_the_address(tmp_path: Path) -> None:
    """Catches minutes of silence, and then a page of Ray's own."""
    with socket.socket() as held:  # bound, and not listened to: nobody answers
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        program = [sys.executable, "-m", "e5v.cli", "encode", "a", "--out", str(tmp_path / "p")]
        options = ["--part-rows", "9", "--engine", "ray", "--model", "nano"]
        done = subprocess.run(
            program + options,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"RAY_ADDRESS": address},
        )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert done.stderr.startswith(f"e5v: no cluster at RAY_ADDRESS={address}: ")
    assert list(tmp_path.iterdir()) == []
